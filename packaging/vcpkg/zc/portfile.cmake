# An overlay port, which builds the tree that it stands in:
#   vcpkg install zc --overlay-ports=packaging/vcpkg
get_filename_component(source "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

# One library, for debug builds of others too.
set(VCPKG_BUILD_TYPE release)
vcpkg_configure_meson(SOURCE_PATH "${source}" OPTIONS -Dtests=disabled -Dexamples=disabled)
vcpkg_install_meson()
vcpkg_fixup_pkgconfig()

# zc-config.cmake finds the library from where it is itself, lib/cmake/zc, which find_package() knows.
set(VCPKG_POLICY_SKIP_MISPLACED_CMAKE_FILES_CHECK enabled)
set(VCPKG_POLICY_SKIP_LIB_CMAKE_MERGE_CHECK enabled)
vcpkg_install_copyright(FILE_LIST "${source}/LICENSE")
