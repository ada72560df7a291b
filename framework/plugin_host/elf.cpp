#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <optional>

#include "modeldiff/core/error.h"
#include "plugin_host/manifest.h"

namespace modeldiff {
namespace {

using Bytes = std::span<const std::byte>;

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
#error "add the ELF number of this machine"
#endif

[[noreturn]] void refuse(const std::string& path, const std::string& problem) {
  throw PluginError(
      fmt::format("'{}' is not a library that can be loaded here: {}", path, problem));
}

/// The bytes of a part of the file; nothing when it is not within the file.
std::optional<Bytes> part_of(Bytes file, std::uint64_t offset, std::uint64_t size) {
  if (offset > file.size() || size > file.size() - offset) return std::nullopt;
  return file.subspan(offset, size);
}

template <typename T>
T struct_at(Bytes bytes, std::size_t index = 0) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

Elf64_Ehdr checked_header(Bytes file, const std::string& path) {
  if (file.size() < sizeof(Elf64_Ehdr) || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0) {
    refuse(path,
           fmt::format("expected an ELF file, found {} bytes of something else", file.size()));
  }
  const auto header = struct_at<Elf64_Ehdr>(file);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
    refuse(path, "expected 64 bits, little endian, found another form of ELF");
  }
  if (header.e_machine != kMachine) {
    refuse(path,
           fmt::format("expected the machine number {}, found {}", kMachine, header.e_machine));
  }
  if (header.e_type != ET_DYN)
    refuse(path, fmt::format("expected a shared object (3), found type {}", header.e_type));
  return header;
}

}  // namespace

std::span<const std::byte> find_elf_section(Bytes file, std::string_view name,
                                            const std::string& path) {
  const Elf64_Ehdr header = checked_header(file, path);
  if (header.e_shnum == 0) return {};
  if (header.e_shentsize != sizeof(Elf64_Shdr)) {
    refuse(path, fmt::format("expected entries of {} bytes in its table of sections, found {}",
                             sizeof(Elf64_Shdr), header.e_shentsize));
  }
  const auto table =
      part_of(file, header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
  if (!table) {
    refuse(
        path,
        fmt::format(
            "its table of sections must lie within its {} bytes, found {} entries from {}; was it "
            "copied in full?",
            file.size(), header.e_shnum, header.e_shoff));
  }
  const auto part_of_section = [&](const Elf64_Shdr& section, const char* what) {
    const auto part = section.sh_type == SHT_NOBITS
                          ? std::nullopt
                          : part_of(file, section.sh_offset, section.sh_size);
    if (!part) {
      refuse(path, fmt::format("{} must lie within its {} bytes, found {} from {}", what,
                               file.size(), section.sh_size, section.sh_offset));
    }
    return *part;
  };
  if (header.e_shstrndx >= header.e_shnum) refuse(path, "its sections have no names");
  const Bytes names = part_of_section(struct_at<Elf64_Shdr>(*table, header.e_shstrndx),
                                      "the names of its sections");
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const auto section = struct_at<Elf64_Shdr>(*table, i);
    if (section.sh_name >= names.size()) continue;
    const Bytes rest = names.subspan(section.sh_name);
    // The name and the zero that ends it.
    if (rest.size() <= name.size() || std::memcmp(rest.data(), name.data(), name.size()) != 0)
      continue;
    if (rest[name.size()] == std::byte{0}) return part_of_section(section, "its section");
  }
  return {};
}

std::string read_build_id(Bytes file, const std::string& path) {
  const Bytes note = find_elf_section(file, ".note.gnu.build-id", path);
  if (note.size() < sizeof(Elf64_Nhdr)) return "";
  const auto header = struct_at<Elf64_Nhdr>(note);
  const std::uint64_t padded_name = (std::uint64_t{header.n_namesz} + 3) / 4 * 4;
  const auto id = part_of(note, sizeof(Elf64_Nhdr) + padded_name, header.n_descsz);
  if (!id) refuse(path, "its build id is longer than its section");
  std::string text;
  for (const std::byte byte : *id) text += fmt::format("{:02x}", std::to_integer<int>(byte));
  return text;
}

}  // namespace modeldiff
