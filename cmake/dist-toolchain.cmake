# Compiles for the processor UFFIZI_DIST_ARCH with Debian 12's compiler, against the headers that
# scripts/dist/dependencies.sh has unpacked. What is linked is linked by scripts/dist/link.sh.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${UFFIZI_DIST_ARCH})
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES UFFIZI_DIST_ARCH)
set(CMAKE_C_COMPILER ${UFFIZI_DIST_ARCH}-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER ${UFFIZI_DIST_ARCH}-linux-gnu-g++)

get_filename_component(root ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)
set(UFFIZI_DIST_PREFIX ${root}/build/dist/${UFFIZI_DIST_ARCH})
set(CMAKE_LIBRARY_ARCHITECTURE ${UFFIZI_DIST_ARCH}-linux-gnu)
# Where FindX looks by itself, but a compiler for another processor does not.
foreach(language C CXX)
  set(CMAKE_${language}_STANDARD_INCLUDE_DIRECTORIES
      ${UFFIZI_DIST_PREFIX}/debian/usr/include/${CMAKE_LIBRARY_ARCHITECTURE} ${UFFIZI_DIST_PREFIX}/debian/usr/include)
endforeach()
set(CMAKE_FIND_ROOT_PATH ${UFFIZI_DIST_PREFIX}/debian)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR}
    ${UFFIZI_DIST_PREFIX}/debian/usr/lib/${UFFIZI_DIST_ARCH}-linux-gnu/pkgconfig:${UFFIZI_DIST_PREFIX}/debian/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${UFFIZI_DIST_PREFIX}/debian)
