#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// The built program, run as from a shell.
namespace modeldiff::test {

/// A folder below the system's temporary one that goes with its owner.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct ProgramRun {
  /// 128 + the signal when one ended it.
  int exit_code = 0;
  std::string out, err;
};

/// @param arguments without the program's name
/// @param folder where it is started
/// @param environment NAME=VALUE, all that it sees beside PATH and a home folder that is empty
/// @throws std::runtime_error when it has not ended after the limit; it is killed then
ProgramRun run_program(const std::vector<std::string>& arguments,
                       const std::filesystem::path& folder,
                       const std::vector<std::string>& environment = {},
                       std::chrono::seconds limit = std::chrono::seconds(120));

/// Whether a part is in a text.
bool holds(const std::string& text, const std::string& part);
std::string content_of(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, std::string_view content);
std::string replaced(std::string text, const std::string& old, const std::string& by);

}  // namespace modeldiff::test
