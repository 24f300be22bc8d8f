# What an installation has, and the Debian package.

include(GNUInstallDirs)
set(CERTFS_MAINTAINER "certfs authors <certfs@users.noreply.github.com>" CACHE STRING "Whom the Debian package names")
set(CERTFS_RELEASE_DATE 2026-11-28)
set(CERTFS_RELEASE_DATE_RFC2822 "Sat, 28 Nov 2026 12:00:00 +0000")

# The manual pages and completions, made of what the programs' parsers say.
add_executable(certfs-documentation
  documentation/bash_completion.cc
  documentation/completion.cc
  documentation/fish_completion.cc
  documentation/main.cc
  documentation/man_page.cc
  documentation/outline.cc
  documentation/pages.cc
  documentation/zsh_completion.cc)
set_target_properties(certfs-documentation PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
target_link_libraries(certfs-documentation PRIVATE certfs_certificate_manager)

set(documents ${CMAKE_CURRENT_BINARY_DIR}/documentation)
configure_file(debian/changelog.in debian/changelog @ONLY)
add_custom_command(OUTPUT ${documents}.made
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${documents}
  COMMAND certfs-documentation ${documents} ${PROJECT_VERSION} ${CERTFS_RELEASE_DATE}
  # Debian wants them compressed, without a time in it.
  COMMAND sh -c "gzip -9nk ${documents}/man/*"
  COMMAND sh -c "gzip -9nc ${CMAKE_CURRENT_BINARY_DIR}/debian/changelog >${documents}/changelog.Debian.gz"
  COMMAND ${CMAKE_COMMAND} -E touch ${documents}.made
  DEPENDS certfs-documentation ${CMAKE_CURRENT_BINARY_DIR}/debian/changelog
  VERBATIM)
# Sanitized programs are not packed, and their documents are those of the others.
if(CERTFS_SANITIZE)
  set_target_properties(certfs-documentation PROPERTIES EXCLUDE_FROM_ALL ON)
  add_custom_target(documentation DEPENDS ${documents}.made)
else()
  add_custom_target(documentation ALL DEPENDS ${documents}.made)
endif()

install(TARGETS certfs certool vecs-cli certificate-manager)
# What mount(8) runs is certfs itself, by another name.
file(CREATE_LINK ../bin/certfs ${CMAKE_CURRENT_BINARY_DIR}/mount.certfs SYMBOLIC)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/mount.certfs DESTINATION sbin)
foreach(section 1 5 8)
  install(DIRECTORY ${documents}/man/ DESTINATION share/man/man${section} FILES_MATCHING PATTERN "*.${section}.gz")
endforeach()
install(DIRECTORY ${documents}/completions/bash/ DESTINATION share/bash-completion/completions)
install(DIRECTORY ${documents}/completions/zsh/ DESTINATION share/zsh/vendor-completions)
install(DIRECTORY ${documents}/completions/fish/ DESTINATION share/fish/vendor_completions.d)
install(FILES debian/copyright ${PROJECT_SOURCE_DIR}/README.md ${documents}/changelog.Debian.gz DESTINATION share/doc/certfs)
install(DIRECTORY examples DESTINATION share/doc/certfs USE_SOURCE_PERMISSIONS)

# Units name the programs by their paths, which the prefix of the installation decides; settings are never overwritten.
# Keystores are for var/lib/certfs, which nobody else looks into.
install(CODE "
  set(CMAKE_INSTALL_FULL_BINDIR \${CMAKE_INSTALL_PREFIX}/bin)
  foreach(unit certfs@.service certfs-watch@.service certfs-renew.service)
    configure_file(\"${CMAKE_CURRENT_SOURCE_DIR}/systemd/\${unit}.in\" \"${CMAKE_CURRENT_BINARY_DIR}/systemd/\${unit}\" @ONLY)
    file(INSTALL \"${CMAKE_CURRENT_BINARY_DIR}/systemd/\${unit}\" DESTINATION \${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
  endforeach()
  set(root \${CMAKE_INSTALL_PREFIX})
  if(CMAKE_INSTALL_PREFIX MATCHES \"^/usr(/local)?\$\")
    set(root \"\")
  endif()
  set(settings \${root}/etc/certfs)
  if(NOT EXISTS \"\$ENV{DESTDIR}\${settings}/certfs.toml\")
    file(INSTALL \"${CMAKE_CURRENT_SOURCE_DIR}/examples/certfs.toml\" DESTINATION \${settings})
  endif()
  if(NOT EXISTS \"\$ENV{DESTDIR}\${root}/var/lib/certfs\")
    file(INSTALL DESTINATION \${root}/var/lib/certfs TYPE DIRECTORY FILES \"\"
         DIR_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endif()")
install(FILES systemd/certfs-renew.timer DESTINATION lib/systemd/system)
install(FILES systemd/sysusers.conf DESTINATION lib/sysusers.d RENAME certfs.conf)

# The Debian package: tools/package-debian.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME certfs)
set(CPACK_PACKAGE_CONTACT "${CERTFS_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "certificate stores as a filesystem")
set(CPACK_PACKAGE_DESCRIPTION
"Services read certificates and keys from paths; people and jobs use cp, cat
and rsync; and every write is judged before it becomes visible. A certificate
that does not match its key, a broken chain, an expired or revoked certificate
is the error of the cp that tried to put it there, and every reader keeps the
old bytes.
.
Behind the mount is one encrypted keystore. With it come a certificate
authority, renewal, backups, and the tools certfs, vecs-cli, certool and
certificate-manager.")
set(CPACK_STRIP_FILES ON)
# Files in /etc stand outside of the prefix.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# postinst makes the user certfs by sysusers.d: systemd's own program for that, or the same without systemd.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "fuse3, systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_SOURCE_DIR}/debian/conffiles
    ${CMAKE_CURRENT_SOURCE_DIR}/debian/postinst ${CMAKE_CURRENT_SOURCE_DIR}/debian/prerm
    ${CMAKE_CURRENT_SOURCE_DIR}/debian/postrm)
include(CPack)
