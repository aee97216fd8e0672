# Helpers that every folder uses: one warning set, one sanitizer switch, one way to declare a library or a test.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
      ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  # Functions that only the start or a failure calls stay together, as GNU ld puts them by itself: less is resident.
  add_link_options(-fuse-ld=mold -Wl,-z,keep-text-section-prefix)
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL REQUIRED)

set(CMAKE_OPTIMIZE_DEPENDENCIES ON)  # objects of a library do not wait for the libraries below it
add_library(keelson_options INTERFACE)
target_include_directories(keelson_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(keelson_options INTERFACE -Wall -Wextra -Wno-missing-field-initializers -Werror
  -fno-plt -ffunction-sections -fdata-sections)
# gcc 12 is wrong about these at -O2: std::string operator+ (PR 105329), operator delete of coroutine frames.
target_compile_options(keelson_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-mismatched-new-delete>)
target_compile_definitions(keelson_options INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_EPOLL_WAIT_ERRORS
  BOOST_BEAST_SEPARATE_COMPILATION KEELSON_VERSION="${PROJECT_VERSION}")
target_link_options(keelson_options INTERFACE -Wl,--gc-sections)
target_link_libraries(keelson_options INTERFACE Threads::Threads)
if(KEELSON_SANITIZE)
  target_compile_options(keelson_options INTERFACE -fsanitize=${KEELSON_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(keelson_options INTERFACE -fsanitize=${KEELSON_SANITIZE})
endif()

# keelson_library(NAME [DEPS lib...] [DIRS folder...] [EXCLUDE file...]): static library from every .cpp of the current
# folder, and of the sub-folders named.
function(keelson_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;DIRS;EXCLUDE" ${ARGN})
  set(patterns *.cpp)
  foreach(dir ${ARG_DIRS})
    list(APPEND patterns ${dir}/*.cpp)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  foreach(file ${ARG_EXCLUDE})
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
  if(NOT sources)
    add_library(keelson_${name} INTERFACE)
    target_link_libraries(keelson_${name} INTERFACE keelson_options ${ARG_DEPS})
    return()
  endif()
  add_library(keelson_${name} STATIC ${sources})
  target_link_libraries(keelson_${name} PUBLIC keelson_options ${ARG_DEPS})
endfunction()

# keelson_unit_test(NAME [DEPS lib...]): unit_NAME from every .cpp of tests/unit/NAME, one ctest entry labelled unit.
function(keelson_unit_test name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(unit_${name} ${sources})
  target_link_libraries(unit_${name} PRIVATE keelson_options keelson_catch_main ${ARG_DEPS})
  add_test(NAME unit_${name} COMMAND unit_${name})
  set_tests_properties(unit_${name} PROPERTIES LABELS unit TIMEOUT 120)
endfunction()
