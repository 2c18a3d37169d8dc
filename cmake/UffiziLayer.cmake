# How every part of the project is compiled, and how a folder of src/ is declared as a layer.

add_library(uffizi_flags INTERFACE)
target_compile_options(uffizi_flags INTERFACE -Wall -Wextra -Wshadow)
if(UFFIZI_WERROR)
  target_compile_options(uffizi_flags INTERFACE -Werror)
endif()
if(UFFIZI_SANITIZE)
  target_compile_options(uffizi_flags INTERFACE -fsanitize=${UFFIZI_SANITIZE}
                         -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(uffizi_flags INTERFACE -fsanitize=${UFFIZI_SANITIZE})
endif()

# For SIMD code, to be linked after uffizi_flags, some of whose options it takes back.
add_library(uffizi_kernel_flags INTERFACE)
if(UFFIZI_SANITIZE)
  # Vectors are read at addresses of any alignment, and AddressSanitizer sees each of these. With three more checks of
  # each address a product takes three times as long.
  target_compile_options(uffizi_kernel_flags INTERFACE -fno-sanitize=null,alignment,pointer-overflow)
endif()

# uffizi_layer(NAME HEADERS file... SOURCES file... [DEPS layer...] [LIBS target...])
# Makes the static library uffizi_NAME from one folder of src/. HEADERS are those that other layers
# may include; DEPS are the layers that it depends on. scripts/check_layers.py checks both.
function(uffizi_layer name)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;DEPS;LIBS" ${ARGN})
  set(target uffizi_${name})
  add_library(${target} STATIC ${ARG_SOURCES})
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/include
                                              ${PROJECT_SOURCE_DIR}/src)
  list(TRANSFORM ARG_DEPS PREPEND uffizi_)
  target_link_libraries(${target} PUBLIC ${ARG_DEPS} PRIVATE uffizi_flags ${ARG_LIBS})
  set_property(GLOBAL APPEND PROPERTY UFFIZI_LAYERS ${target})
endfunction()
