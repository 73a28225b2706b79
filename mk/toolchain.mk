# SPDX-License-Identifier: MIT
#
# Names of the tools, and how a command is shown. Another suffix, or none, may be
# given on the command line (make LLVM_SUFFIX=-20).

LLVM_SUFFIX ?= -19
tool = $(1)$(LLVM_SUFFIX)

CLANG      := $(call tool,clang)
LD         := $(call tool,ld.lld)
LLD_LINK   := $(call tool,lld-link)
NM         := $(call tool,llvm-nm)
OBJCOPY    := $(call tool,llvm-objcopy)
AR         := $(call tool,llvm-ar)
OBJDUMP    := $(call tool,llvm-objdump)
DWARFDUMP  := $(call tool,llvm-dwarfdump)
GSYMUTIL   := $(call tool,llvm-gsymutil)
SYMBOLIZER := $(call tool,llvm-symbolizer)
PYTHON     := python3

export CLANG LD LLD_LINK NM OBJCOPY OBJDUMP DWARFDUMP SYMBOLIZER

# Goals that need no compiler, or get it themselves.
NO_COMPILER := help clean deps need machine-check toolchain-check fetch limine run run-headless test test-list mutate bench bench-sched
ifneq ($(filter-out $(NO_COMPILER),$(or $(MAKECMDGOALS),all)),)
MISSING := $(strip $(foreach name,$(CLANG) $(LD) $(LLD_LINK) $(NM) $(OBJCOPY) $(OBJDUMP) $(DWARFDUMP) \
	$(PYTHON),$(if $(shell command -v $(name) 2>/dev/null),,$(name))))
ifneq ($(MISSING),)
$(error missing: $(MISSING); install it with: make deps)
endif
endif

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

# A word of the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'

# A file whose content is the flags: what depends on it is rebuilt when they change.
# $(call flags-file,FILE,TEXT)
define flags-file
$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(subst ','\'',$(2))' > $$@.new
	@if cmp -s $$@.new $$@; then rm $$@.new; else mv $$@.new $$@; fi
endef

# The same for a list that is too long for a command line (one argument has at most 128 KiB). Both functions run when the recipe is expanded.
define list-file
$(1): FORCE
	$$(shell mkdir -p $$(@D))$$(file >$$@.new,$(2))
	@if cmp -s $$@.new $$@; then rm $$@.new; else mv $$@.new $$@; fi
endef
