#include "workers/protocol.h"

#include <unistd.h>

#include <cerrno>

namespace modeldiff {

bool LineBuffer::read_from(int descriptor) {
  char chunk[65536];
  const ssize_t count = ::read(descriptor, chunk, sizeof chunk);
  if (count > 0) pending_.append(chunk, static_cast<std::size_t>(count));
  return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

std::optional<std::string> LineBuffer::next() {
  const std::size_t end = pending_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = pending_.substr(0, end);
  pending_.erase(0, end + 1);
  return line;
}

bool write_line(int descriptor, const Json& message) {
  const std::string line = message.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  for (std::size_t written = 0; written < line.size();) {
    const ssize_t count = ::write(descriptor, line.data() + written, line.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    written += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace modeldiff
