#include "modeldiff/core/hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "modeldiff/core/error.h"

namespace modeldiff {

struct Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  MODELDIFF_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1,
                  "SHA-256 is not available");
}

Hasher::~Hasher() = default;

Hasher& Hasher::update(const void* data, std::size_t bytes) {
  EVP_DigestUpdate(state_->context, data, bytes);
  return *this;
}

std::string Hasher::hex() {
  std::array<unsigned char, 32> digest{};
  EVP_DigestFinal_ex(state_->context, digest.data(), nullptr);
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string sha256(std::string_view bytes) { return Hasher().update(bytes).hex(); }

std::string sha256_of_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw DataError(fmt::format("cannot read '{}': {}", path.string(), std::strerror(errno)));
  Hasher hasher;
  std::vector<char> buffer(1 << 20);
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    hasher.update(buffer.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad())
    throw DataError(fmt::format("reading '{}' failed: {}", path.string(), std::strerror(errno)));
  return hasher.hex();
}

}  // namespace modeldiff
