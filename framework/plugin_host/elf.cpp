#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <optional>

#include "plugin_host/manifest.h"

namespace modeldiff {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
#error "plugins are ELF libraries of x86-64 or aarch64"
#endif

/// A table or string of the file, checked to lie within it.
class ElfFile {
 public:
  ElfFile(std::span<const std::byte> bytes, const std::string& path) : bytes_(bytes), path_(path) {
    header_ = at<Elf64_Ehdr>(0, "header");
    if (std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0) fail("it is no ELF file");
    if (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != ELFDATA2LSB) fail("it is no 64-bit little-endian ELF file");
    if (header_.e_machine != kMachine) fail("it is for another processor");
    if (header_.e_shnum == 0 || header_.e_shentsize != sizeof(Elf64_Shdr)) fail("it has no section table");
    if (header_.e_shstrndx >= header_.e_shnum) fail("its section names are missing");
  }

  std::size_t sections() const { return header_.e_shnum; }
  Elf64_Shdr section(std::size_t index) const {
    if (header_.e_shoff > bytes_.size()) fail("its section table lies outside of the file");
    return at<Elf64_Shdr>(header_.e_shoff + index * sizeof(Elf64_Shdr), "section table");
  }
  std::span<const std::byte> content(const Elf64_Shdr& header) const {
    if (header.sh_type == SHT_NOBITS) return {};
    if (header.sh_offset > bytes_.size() || header.sh_size > bytes_.size() - header.sh_offset) fail("a section lies outside of the file");
    return bytes_.subspan(header.sh_offset, header.sh_size);
  }
  std::string_view name(const Elf64_Shdr& header) const {
    const std::span<const std::byte> names = content(section(header_.e_shstrndx));
    if (header.sh_name >= names.size()) fail("a section's name lies outside of the file");
    const auto* start = reinterpret_cast<const char*>(names.data()) + header.sh_name;
    return {start, ::strnlen(start, names.size() - header.sh_name)};
  }

  [[noreturn]] void fail(const char* what) const { throw PluginError(fmt::format("'{}' cannot be used as a plugin: {}", path_, what)); }

 private:
  template <typename T>
  T at(std::uint64_t offset, const char* what) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) fail(fmt::format("its {} is cut short", what).c_str());
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }

  std::span<const std::byte> bytes_;
  const std::string& path_;
  Elf64_Ehdr header_{};
};

}  // namespace

std::span<const std::byte> find_elf_section(std::span<const std::byte> file, std::string_view name, const std::string& path) {
  const ElfFile elf(file, path);
  for (std::size_t i = 0; i < elf.sections(); ++i) {
    const Elf64_Shdr header = elf.section(i);
    if (elf.name(header) == name) return elf.content(header);
  }
  return {};
}

std::string read_build_id(std::span<const std::byte> file, const std::string& path) {
  // One note: three 4-byte numbers (length of the name, of the id, type), the name "GNU\0", the id.
  constexpr std::size_t kBeforeId = 16;
  const std::span<const std::byte> note = find_elf_section(file, ".note.gnu.build-id", path);
  if (note.size() <= kBeforeId) return "";
  std::string out;
  for (const std::byte byte : note.subspan(kBeforeId)) out += fmt::format("{:02x}", std::to_integer<int>(byte));
  return out;
}

}  // namespace modeldiff
