# SPDX-License-Identifier: MIT
#
# Names of the tools, and how a command is shown. Every name may be given on the
# command line (make CLANG=clang-20).

LLVM_VERSION := 19

# The versioned name where there is one, else the plain name.
tool = $(if $(shell command -v $(1)-$(LLVM_VERSION) 2>/dev/null),$(1)-$(LLVM_VERSION),$(1))

CLANG      := $(call tool,clang)
LD         := $(call tool,ld.lld)
LLD_LINK   := $(call tool,lld-link)
NM         := $(call tool,llvm-nm)
OBJCOPY    := $(call tool,llvm-objcopy)
OBJDUMP    := $(call tool,llvm-objdump)
DWARFDUMP  := $(call tool,llvm-dwarfdump)
GSYMUTIL   := $(call tool,llvm-gsymutil)
SYMBOLIZER := $(call tool,llvm-symbolizer)
PYTHON     := python3

export CLANG LD LLD_LINK NM OBJCOPY OBJDUMP DWARFDUMP SYMBOLIZER

# Programs of ours that the build runs must not leave caches in the tree.
export PYTHONDONTWRITEBYTECODE := 1
export LC_ALL := C
export TZ := UTC
export SOURCE_DATE_EPOCH := 0

# $(call say,CC,file) prints one short line; V=1 prints the commands instead.
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n' '$(1)' '$(2)'
endif

# No absolute path, no date in any output: two builds have one checksum.
REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)=. -fdebug-compilation-dir=. -Werror=date-time
WARNINGS     := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wundef \
                -Wthread-safety -Werror=thread-safety

# A file whose content is the flags: what depends on it is rebuilt when they change.
# $(call flags-file,FILE,TEXT)
define flags-file
$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(subst ','\'',$(2))' | cmp -s - $$@ || printf '%s\n' '$$(subst ','\'',$(2))' > $$@
endef
