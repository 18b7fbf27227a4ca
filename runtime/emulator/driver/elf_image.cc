#include "elf_image.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "failure.h"

namespace gk_emu_driver {
namespace {

#if defined(__aarch64__)
constexpr int kMachine = EM_AARCH64;
#else
constexpr int kMachine = EM_X86_64;
#endif
constexpr int kCudaMachine = 190;
constexpr uint32_t kFatbinMagic = 0xba55ed50u, kFatbinWrapperMagic = 0x466243b1u;
constexpr uint64_t kMostBytes = uint64_t(1) << 30;

// Copies of headers: the image need not be aligned.
template <typename T>
T at(const unsigned char* image, uint64_t offset) {
  T value;
  std::memcpy(&value, image + offset, sizeof value);
  return value;
}

[[noreturn]] void refuse(CUresult code, const std::string& what) {
  throw Failure{code, "the module is " + what + "; the emulated device takes modules built with `npm run build:emulated`"};
}

void checkKind(const unsigned char* image) {
  // Byte by byte, since the image may be shorter than any header.
  static const unsigned char kElf[4] = {0x7f, 'E', 'L', 'F'};
  size_t same = 0;
  while (same < 4 && image[same] == kElf[same]) same++;
  if (same == 4) return;
  if (image[0] == 0x50 || image[0] == 0xb1) {
    const uint32_t magic = at<uint32_t>(image, 0);
    if (magic == kFatbinMagic || magic == kFatbinWrapperMagic) refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "a fatbin for real GPUs");
  }
  if (image[0] == '.' || image[0] == '/' || image[0] == '\n' || image[0] == ' ') refuse(CUDA_ERROR_INVALID_PTX, "text (PTX)");
  refuse(CUDA_ERROR_INVALID_IMAGE, "neither a shared object nor device code");
}

uint64_t bounded(uint64_t offset, uint64_t bytes) {
  if (offset > kMostBytes || bytes > kMostBytes) refuse(CUDA_ERROR_INVALID_IMAGE, "a damaged shared object (offset past 1 GiB)");
  return offset + bytes;
}

}  // namespace

ElfImage readElfImage(const void* start) {
  const auto* image = static_cast<const unsigned char*>(start);
  checkKind(image);
  if (image[EI_CLASS] != ELFCLASS64 || image[EI_DATA] != ELFDATA2LSB) refuse(CUDA_ERROR_INVALID_IMAGE, "not a 64-bit little-endian ELF file");
  const auto header = at<Elf64_Ehdr>(image, 0);
  if (header.e_machine == kCudaMachine) refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "a cubin for real GPUs");
  if (header.e_machine != kMachine) refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "a shared object of another machine type");
  if (header.e_type != ET_DYN) refuse(CUDA_ERROR_INVALID_IMAGE, "an ELF file, but not a shared object");
  if (header.e_phentsize != sizeof(Elf64_Phdr) || (header.e_shnum != 0 && (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shstrndx >= header.e_shnum))) {
    refuse(CUDA_ERROR_INVALID_IMAGE, "a damaged shared object (size of headers)");
  }

  ElfImage result{};
  uint64_t end = std::max(bounded(header.e_phoff, uint64_t(header.e_phnum) * sizeof(Elf64_Phdr)),
                          bounded(header.e_shoff, uint64_t(header.e_shnum) * sizeof(Elf64_Shdr)));
  for (int i = 0; i < header.e_phnum; i++) {
    const auto segment = at<Elf64_Phdr>(image, header.e_phoff + uint64_t(i) * sizeof(Elf64_Phdr));
    end = std::max(end, bounded(segment.p_offset, segment.p_filesz));
  }
  for (int i = 0; i < header.e_shnum; i++) {
    const auto section = at<Elf64_Shdr>(image, header.e_shoff + uint64_t(i) * sizeof(Elf64_Shdr));
    if (section.sh_type != SHT_NOBITS) end = std::max(end, bounded(section.sh_offset, section.sh_size));
  }
  result.bytes = end;

  for (int i = 0; i < header.e_shnum; i++) {
    const auto symbols = at<Elf64_Shdr>(image, header.e_shoff + uint64_t(i) * sizeof(Elf64_Shdr));
    if (symbols.sh_type != SHT_DYNSYM || symbols.sh_link >= header.e_shnum) continue;
    const auto names = at<Elf64_Shdr>(image, header.e_shoff + uint64_t(symbols.sh_link) * sizeof(Elf64_Shdr));
    for (uint64_t offset = 0; offset + sizeof(Elf64_Sym) <= symbols.sh_size; offset += sizeof(Elf64_Sym)) {
      const auto symbol = at<Elf64_Sym>(image, symbols.sh_offset + offset);
      if (ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT || symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= header.e_shnum) continue;
      if (symbol.st_name >= names.sh_size) continue;
      const char* name = reinterpret_cast<const char*>(image) + names.sh_offset + symbol.st_name;
      const auto home = at<Elf64_Shdr>(image, header.e_shoff + uint64_t(symbol.st_shndx) * sizeof(Elf64_Shdr));
      // .data.rel.ro is written by the loader alone and is read-only afterwards.
      const auto home_names = at<Elf64_Shdr>(image, header.e_shoff + uint64_t(header.e_shstrndx) * sizeof(Elf64_Shdr));
      const char* home_name = reinterpret_cast<const char*>(image) + home_names.sh_offset + home.sh_name;
      const bool relro = std::strcmp(home_name, ".data.rel.ro") == 0;
      result.objects[std::string(name, strnlen(name, names.sh_size - symbol.st_name))] =
          ElfObject{symbol.st_size, (home.sh_flags & SHF_WRITE) != 0 && !relro};
    }
  }
  return result;
}

}  // namespace gk_emu_driver
