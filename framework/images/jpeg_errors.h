#pragma once

#include <csetjmp>
#include <cstdio>

// jpeglib.h needs <cstdio> before it.
#include <jpeglib.h>

namespace modeldiff {

/// libjpeg's error handler, which must not return: `fail` jumps to `recover`, with libjpeg's words in
/// `message`. setjmp must stand in a frame that outlives the calls it guards and holds nothing that
/// needs a destructor.
struct JpegErrors {
  jpeg_error_mgr manager;
  std::jmp_buf recover;
  char message[JMSG_LENGTH_MAX];

  /// @return what goes into `err` of a libjpeg object
  jpeg_error_mgr* start() {
    jpeg_std_error(&manager);
    manager.error_exit = fail;
    message[0] = '\0';
    return &manager;
  }
  [[noreturn]] static void fail(j_common_ptr info) {
    auto* errors = reinterpret_cast<JpegErrors*>(info->err);
    info->err->format_message(info, errors->message);
    std::longjmp(errors->recover, 1);
  }
};

}  // namespace modeldiff
