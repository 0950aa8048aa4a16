//go:build linux

package moat

// Building the program takes clang 14, its llvm-strip and the headers of the kernel.
// The result is committed, so that building Sallyport does not.
//
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -tags linux -go-package moat -target bpfel,bpfeb -cflags "-O2 -mcpu=v3 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu" -type settings -type pace -type set -type prefix -type bits program bpf/moat.bpf.c
