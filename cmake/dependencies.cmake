# Everything from outside, each behind one target of ours. The variables of torch's package appear here only.
include(GNUInstallDirs)
find_package(Threads REQUIRED)

# The plain `torch` target brings no language standard, and its include folder holds the fmt that must be used.
find_package(Torch REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(LibArchive REQUIRED)
find_package(ZLIB REQUIRED)

list(GET TORCH_INCLUDE_DIRS 0 MODELDIFF_TORCH_ROOT_INCLUDE)
# Where an installed file finds torch. CMake's own way leaves out folders inside of the project, where ./modeldiff puts
# torch.
get_filename_component(MODELDIFF_TORCH_LIBRARY_FOLDER ${TORCH_LIBRARY} DIRECTORY)

# What every target of ours compiles with.
add_library(modeldiff_build_options INTERFACE)
add_library(modeldiff::build_options ALIAS modeldiff_build_options)
target_compile_features(modeldiff_build_options INTERFACE cxx_std_20)
target_compile_options(modeldiff_build_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
                                                         $<$<BOOL:${MODELDIFF_WERROR}>:-Werror>)
if(MODELDIFF_SANITIZE)
  target_compile_options(modeldiff_build_options INTERFACE -fsanitize=${MODELDIFF_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(modeldiff_build_options INTERFACE -fsanitize=${MODELDIFF_SANITIZE})
endif()

# fmt from torch's own folder: another fmt does not link beside torch, and libtorch exports too little of its own to
# link against. Only its folder `fmt` is shown, so that code that must stay free of torch cannot include it by accident.
set(MODELDIFF_FMT_INCLUDE ${PROJECT_BINARY_DIR}/include)
file(MAKE_DIRECTORY ${MODELDIFF_FMT_INCLUDE})
file(CREATE_LINK ${MODELDIFF_TORCH_ROOT_INCLUDE}/fmt ${MODELDIFF_FMT_INCLUDE}/fmt SYMBOLIC)
add_library(modeldiff_fmt STATIC ${CMAKE_CURRENT_LIST_DIR}/fmt.cpp)
add_library(modeldiff::fmt ALIAS modeldiff_fmt)
set_target_properties(modeldiff_fmt PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
                                               POSITION_INDEPENDENT_CODE ON)
target_compile_features(modeldiff_fmt PUBLIC cxx_std_20)
target_include_directories(modeldiff_fmt SYSTEM INTERFACE $<BUILD_INTERFACE:${MODELDIFF_FMT_INCLUDE}>
                                                PRIVATE ${MODELDIFF_FMT_INCLUDE})

# torch's version macros alone: what the program compares with a plugin's tag, without linking torch.
set(MODELDIFF_TORCH_VERSION_INCLUDE ${PROJECT_BINARY_DIR}/include_torch_version)
file(MAKE_DIRECTORY ${MODELDIFF_TORCH_VERSION_INCLUDE}/torch/headeronly)
file(CREATE_LINK ${MODELDIFF_TORCH_ROOT_INCLUDE}/torch/csrc/api/include/torch/version.h
     ${MODELDIFF_TORCH_VERSION_INCLUDE}/torch/version.h SYMBOLIC)
if(EXISTS ${MODELDIFF_TORCH_ROOT_INCLUDE}/torch/headeronly/version.h)
  file(CREATE_LINK ${MODELDIFF_TORCH_ROOT_INCLUDE}/torch/headeronly/version.h
       ${MODELDIFF_TORCH_VERSION_INCLUDE}/torch/headeronly/version.h SYMBOLIC)
endif()

add_library(modeldiff_torch INTERFACE)
add_library(modeldiff::torch ALIAS modeldiff_torch)
target_link_libraries(modeldiff_torch INTERFACE torch)
target_compile_features(modeldiff_torch INTERFACE cxx_std_20)
