#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "modeldiff/core/api.h"

/// What can go wrong, by whose it is to mend. Every type is caught by name across library
/// boundaries, so each has its destructor, and with it its type information, in the core library.
namespace modeldiff {

/// A place in a text file; lines and columns count from 1. `line` 0: no place is known.
struct SourceLocation {
  std::string file;
  std::int64_t line = 0;
  std::int64_t column = 0;

  bool known() const { return line > 0; }
  /// "file:line:column", "file" without a line, or "" when nothing is known.
  MODELDIFF_API std::string text() const;
};

/// One thing to mend in an experiment file.
struct Diagnostic {
  SourceLocation where;
  /// The key path, "algorithms.A.lr"; empty when the file as a whole is meant.
  std::string path;
  /// What was found, what is right, the nearest valid name.
  std::string message;
};

/// The base of all errors that end a run with a message for a person.
class MODELDIFF_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~Error() override;
};

/// The experiment file or the command line must change. Exit code 2.
class MODELDIFF_API ConfigError : public Error {
 public:
  explicit ConfigError(std::vector<Diagnostic> diagnostics);
  ConfigError(std::string path, std::string message);
  ~ConfigError() override;

  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
};

/// A file of data or an artifact is missing, truncated or not what it says. The text names the
/// path, what was expected and what was found.
class MODELDIFF_API DataError : public Error {
 public:
  using Error::Error;
  ~DataError() override;
};

/// A plugin could not be used, or failed while it was. Exit code 3 when it cannot be loaded.
class MODELDIFF_API PluginError : public Error {
 public:
  using Error::Error;
  ~PluginError() override;
};

/// Something is not finite, or a matrix cannot be solved. The text names run, epoch and step.
class MODELDIFF_API NumericalError : public Error {
 public:
  using Error::Error;
  ~NumericalError() override;
};

/// Tensors do not fit together. The text names both shapes.
class MODELDIFF_API ShapeError : public Error {
 public:
  using Error::Error;
  ~ShapeError() override;
};

/// The disk is full or a file cannot be written.
class MODELDIFF_API StorageError : public Error {
 public:
  using Error::Error;
  ~StorageError() override;
};

/// The user asked to stop. Exit code 130.
class MODELDIFF_API Interrupted : public Error {
 public:
  using Error::Error;
  ~Interrupted() override;
};

/// A bug of ours. Exit code 1.
class MODELDIFF_API InternalError : public Error {
 public:
  using Error::Error;
  ~InternalError() override;
};

[[noreturn]] MODELDIFF_API void fail_check(const char* condition, const char* file, int line,
                                           const std::string& values);

}  // namespace modeldiff

/// Stops on a bug of ours, with the values that show it: MODELDIFF_CHECK(i < n, fmt::format("i {},
/// n {}", i, n)).
#define MODELDIFF_CHECK(condition, values)                                             \
  do {                                                                                 \
    if (!(condition)) ::modeldiff::fail_check(#condition, __FILE__, __LINE__, values); \
  } while (false)
