# SPDX-License-Identifier: MIT
#
# The kernel image. The two halves are compiled with different include paths and
# their own copies of lib/; the nucleus is first linked into one relocatable
# object whose symbols are made local (nucleus/entry.syms lists the exceptions)
# and which may not need anything from outside. The image is linked twice: the
# second time with the table of symbols and lines that was made from the first.

LIB_SRC := $(filter-out %_test.c %_fuzz.c,$(wildcard lib/*.c))

# What only reads of libfdt (Debian's source package device-tree-compiler), under lib/devicetree.c.
LIBFDT := build/third_party/libfdt-source
ifneq ($(wildcard lib/devicetree.c),)
LIBFDT_SRC := $(addprefix $(LIBFDT)/libfdt/,fdt.c fdt_ro.c fdt_check.c fdt_strerror.c)
$(LIBFDT_SRC): | $(LIBFDT)/.version ;
endif
LIBFDT_USERS := lib/devicetree.c lib/pci_ranges.c $(LIBFDT_SRC)
# Its two C library headers are lib/libfdt's outside the host.
LIBFDT_INCLUDES := -I$(LIBFDT)/libfdt -Ilib/libfdt
LIB_ALL := $(LIB_SRC) $(LIBFDT_SRC)

# What of lwIP (Debian's source package of that name) the component inet stands on: its core and Ethernet; no socket layer, no
# services of its own. It is compiled as the rest is, but for warnings.
LWIP := build/third_party/lwip-source
INET_SRC := $(wildcard kernel/net/inet/*.c)
ifneq ($(INET_SRC),)
LWIP_SRC := $(addprefix $(LWIP)/src/,$(addprefix core/,def.c inet_chksum.c init.c ip.c mem.c memp.c netif.c pbuf.c raw.c stats.c tcp.c \
	tcp_in.c tcp_out.c udp.c) $(addprefix core/ipv4/,etharp.c icmp.c igmp.c ip4.c ip4_addr.c ip4_frag.c) \
	$(addprefix core/ipv6/,ethip6.c icmp6.c ip6.c ip6_addr.c ip6_frag.c mld6.c nd6.c) netif/ethernet.c)
$(LWIP_SRC): | $(LWIP)/.version ;
endif
LWIP_INCLUDES := -isystem $(LWIP)/src/include -isystem kernel/net/inet/lwip
# The text consoles' terminal (Debian's source package libvterm), of the lowered half alone, which takes it as it takes lib/. What it wants
# of a C library is lib/libvterm's.
LIBVTERM := build/third_party/libvterm-source
ifneq ($(wildcard kernel/vt/*.c),)
LIBVTERM_SRC := $(addprefix $(LIBVTERM)/src/,encoding.c keyboard.c mouse.c parser.c pen.c screen.c state.c unicode.c vterm.c)
$(LIBVTERM_SRC): | $(LIBVTERM)/.version ;
endif
LIBVTERM_INCLUDES := -I$(LIBVTERM)/include -Ilib/libvterm
# Their font (Terminus, SIL Open Font License 1.1), which the image gets as data.
FONT_PACKAGE := build/third_party/xfonts-terminus-$(DEB_ARCH)
FONT := $(B)/console-font.bin

NUCLEUS_SRC := $(sort $(filter-out %_test.c,$(filter-out nucleus/arch/% nucleus/include/%,$(filter-out $(if $(wildcard nucleus/arch/$(ARCH)/debug/*.c),,nucleus/debug/%),$(wildcard nucleus/*.c nucleus/*/*.c)))) \
	$(shell find nucleus/arch/$(ARCH) \( -name '*.c' -o -name '*.S' ! -name '*.lds.S' \) 2>/dev/null) $(LIB_ALL))
KERNEL_SRC := $(sort $(shell find kernel \( -name '*.c' -o -name '*.S' \) ! -name '*_test.c' ! -path 'kernel/arch/*/vdso/*' \
	! \( -path 'kernel/arch/*' ! -path 'kernel/arch/$(ARCH)/*' \) 2>/dev/null) $(LIB_ALL) $(LWIP_SRC) $(LIBVTERM_SRC))
# The kernel's own tests: lowered code of two components more, linked into stellux-ktest.elf only.
KTEST_SRC := $(sort $(wildcard test/kernel/*.c test/kernel_component/*.c test/kernel/arch/$(ARCH)/*.[cS] test/kernel/arch/$(ARCH)/bracket/*.c))

NUCLEUS_OBJ := $(NUCLEUS_SRC:%=$(B)/n/%.o)
# Each half takes from lib/ what it uses and nothing else: what is privileged should be needed.
NUCLEUS_LIB := $(LIB_ALL:%=$(B)/n/%.o)
KERNEL_LIB  := $(LIB_ALL:%=$(B)/k/%.o) $(LIBVTERM_SRC:%=$(B)/k/%.o)
KERNEL_OBJ  := $(KERNEL_SRC:%=$(B)/k/%.o)
KTEST_OBJ   := $(KTEST_SRC:%=$(B)/k/%.o)
# What a third image has, stellux-strike.elf, in which a fault can be provoked in any function of a component (test/strike/strike.c): those of
# its sources, and the kernel's once more, whose functions begin with a call. Not of the floor that contains faults, nor in brackets, where
# nothing may be called, nor in what is shared.
STRIKE_SRC    := test/strike/strike.c test/strike/$(ARCH).S
STRUCK_SRC    := $(foreach source,$(filter-out kernel/base/% $(LIB_ALL) $(LIBVTERM_SRC),$(filter %.c,$(KERNEL_SRC))),$(if $(findstring /bracket/,$(source)),,$(source)))
STRUCK_OBJ    := $(STRUCK_SRC:%=$(B)/strike/k/%.o)
STRIKE_OBJ    := $(filter-out $(STRUCK_SRC:%=$(B)/k/%.o),$(KERNEL_OBJ)) $(STRUCK_OBJ) $(STRIKE_SRC:%=$(B)/k/%.o)
STRIKE_CFLAGS := -fsanitize-coverage=func,trace-pc
$(KTEST_OBJ): KERNEL_CFLAGS += -Itest/kernel/arch/$(ARCH)

KERNEL_CFLAGS := -target $(KERNEL_TARGET) $(KERNEL_ARCH_CFLAGS) -std=c23 -ffreestanding -fno-pic \
	-fno-omit-frame-pointer -mno-omit-leaf-frame-pointer -fno-stack-protector \
	-fno-strict-aliasing -fno-common -fno-asynchronous-unwind-tables -fno-unwind-tables \
	-fno-builtin-printf -fno-delete-null-pointer-checks -fwrapv \
	$(WARNINGS) $(REPRODUCIBLE) -gdwarf-5 -O2
ifeq ($(MODE),debug)
KERNEL_CFLAGS += -DSTELLUX_DEBUG=1
else
KERNEL_CFLAGS += -DSTELLUX_DEBUG=0
endif

# A section a function: what nothing reaches is left out of the nucleus (below).
NUCLEUS_INCLUDES := -ffunction-sections -Inucleus/include -Inucleus -Inucleus/arch/$(ARCH) -Inucleus/arch/$(ARCH)/include -I.
# The lowered half: callers are visible in reports, so a call that ends a function is a call.
KERNEL_INCLUDES  := -fno-optimize-sibling-calls -Inucleus/include -Ikernel/include -Ikernel/arch/$(ARCH)/include \
	-Inucleus/arch/$(ARCH)/include -I.

# What is privileged is to be small: of the nucleus only what runs for gates, faults, switches and interrupts is compiled to be fast.
NUCLEUS_FAST := $(addprefix nucleus/,frame/% gate/% irq/% mmu/% report/trace.c sched/% time/% trap/%) lib/pairing_heap.c lib/string.c \
	$(addprefix nucleus/arch/$(ARCH)/,apic.c context_calls.c fault.c gic.c gic_v2.c gic_v3.c switch.c timer.c trap.c views.c)
NUCLEUS_SMALL := -Oz $(if $(filter aarch64,$(ARCH)),-mno-outline)
$(patsubst %,$(B)/n/%.o,$(filter-out $(NUCLEUS_FAST),$(filter %.c,$(NUCLEUS_SRC)))): KERNEL_CFLAGS += $(NUCLEUS_SMALL)

$(eval $(call flags-file,$(B)/n/flags,$(CLANG) $(KERNEL_CFLAGS) $(NUCLEUS_INCLUDES) $(NUCLEUS_SMALL) $(NUCLEUS_FAST)))
$(eval $(call flags-file,$(B)/k/flags,$(CLANG) $(KERNEL_CFLAGS) $(KERNEL_INCLUDES)))

# $(call compile-half,FOLDER,INCLUDES): rules for one half.
define compile-half
$(B)/$(1)/%.c.o: %.c $(B)/$(1)/flags
	$$(call say,CC,$(1) $$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CLANG) $$(KERNEL_CFLAGS) $(2) $$(LATE_CFLAGS) -MMD -MP -MJ $$(@:.o=.json) -c $$< -o $$@

$(B)/$(1)/%.S.o: %.S $(B)/$(1)/flags
	$$(call say,AS,$(1) $$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CLANG) $$(KERNEL_CFLAGS) $(2) -D__ASSEMBLER__=1 -MMD -MP -c $$< -o $$@
endef
$(eval $(call compile-half,n,$(NUCLEUS_INCLUDES)))
$(eval $(call compile-half,k,$(KERNEL_INCLUDES)))

$(B)/strike/k/%.c.o: %.c $(B)/k/flags
	$(call say,CC,strike $<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(KERNEL_CFLAGS) $(KERNEL_INCLUDES) $(STRIKE_CFLAGS) $(LATE_CFLAGS) -MMD -MP -c $< -o $@

# Of system calls the function that is called is the outermost: dispatch has no frame, and costs none.
$(B)/k/kernel/process/dispatch.c.o $(B)/strike/k/kernel/process/dispatch.c.o: LATE_CFLAGS := -foptimize-sibling-calls

$(foreach half,n k,$(LIBFDT_USERS:%=$(B)/$(half)/%.o)): KERNEL_CFLAGS += $(LIBFDT_INCLUDES)
$(foreach half,n k,$(LIBFDT_USERS:%=$(B)/$(half)/%.o)): $(LIBFDT)/.version

$(foreach k,k strike/k,$(patsubst %,$(B)/$(k)/%.o,$(LWIP_SRC) $(INET_SRC))) $(patsubst %,$(B)/tidy/k/%.ok,$(INET_SRC)): KERNEL_CFLAGS += $(LWIP_INCLUDES)
# The compiler does not tell of system headers.
$(foreach k,k strike/k,$(patsubst %,$(B)/$(k)/%.o,$(LWIP_SRC) $(INET_SRC))): $(LWIP)/.version $(wildcard kernel/net/inet/lwip/*.h kernel/net/inet/lwip/arch/*.h)
$(foreach k,k strike/k,$(patsubst %,$(B)/$(k)/%.o,$(LWIP_SRC))): LATE_CFLAGS := -w
VT_OBJ := $(foreach k,k strike/k,$(patsubst %,$(B)/$(k)/%.o,$(wildcard kernel/vt/*.c)))
$(VT_OBJ) $(patsubst %,$(B)/tidy/k/%.ok,$(wildcard kernel/vt/*.c)): KERNEL_CFLAGS += $(LIBVTERM_INCLUDES)
$(VT_OBJ): $(LIBVTERM)/.version
$(LIBVTERM_SRC:%=$(B)/k/%.o): KERNEL_CFLAGS += $(LIBVTERM_INCLUDES) -w
$(LIBVTERM_SRC:%=$(B)/k/%.o): $(LIBVTERM)/.version
$(FONT): tools/mkfont $(FONT_PACKAGE)/.version
	$(Q)$(PYTHON) tools/mkfont $(addprefix $(FONT_PACKAGE)/usr/share/fonts/X11/misc/,ter-u16n_unicode.pcf.gz ter-u16b_unicode.pcf.gz) $@
$(B)/k/kernel/vt/font_data.c.o $(B)/strike/k/kernel/vt/font_data.c.o $(B)/tidy/k/kernel/vt/font_data.c.ok: KERNEL_CFLAGS += --embed-dir=$(dir $(FONT))
$(B)/k/kernel/vt/font_data.c.o $(B)/strike/k/kernel/vt/font_data.c.o: $(FONT)

# What uname(1) shows: the system's version, and which sources it was built from.
SOURCES_ID := $(shell find nucleus kernel lib abi boot/limine_protocol.h mk/image.lds.S -name '*.[chS]' -o -name '*.def' | LC_ALL=C sort | xargs cat | sha256sum | cut -c1-12)
STELLUX_VERSION := $(shell sed -n 's/^VERSION_ID=//p' user/etc/os-release)-$(SOURCES_ID)
$(eval $(call flags-file,$(B)/version,$(STELLUX_VERSION)))
$(B)/k/kernel/process/uname.c.o $(B)/strike/k/kernel/process/uname.c.o $(B)/tidy/k/kernel/process/uname.c.ok: KERNEL_CFLAGS += -DSTELLUX_VERSION='"$(STELLUX_VERSION)"'
$(B)/k/kernel/process/uname.c.o $(B)/strike/k/kernel/process/uname.c.o: $(B)/version

# A list of objects: relinks when a source appears or goes.
$(eval $(call list-file,$(B)/objects,$(NUCLEUS_OBJ) $(KERNEL_OBJ) $(KTEST_OBJ) $(STRIKE_OBJ)))

# In the script write *[/]bracket[/]*.o: the preprocessor takes a slash before a
# star for a comment.
LINK_SCRIPT := mk/image.lds.S

# Where the script was before: dependency files of older builds still name it.
nucleus/image.lds.S: ;

$(B)/components.lds.h: kernel/components.txt tools/mkcomponents
	@mkdir -p $(@D)
	$(Q)$(PYTHON) tools/mkcomponents --arch $(ARCH) -o $@

$(B)/image.lds: $(LINK_SCRIPT) $(B)/components.lds.h $(B)/n/flags
	$(call say,LDS,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -target $(KERNEL_TARGET) -E -P -x c -undef -D__ASSEMBLER__=1 -D__LINKER__=1 \
		-I$(B) $(NUCLEUS_INCLUDES) -MMD -MP -MT $@ -MF $@.d $< -o $@

$(B)/entry.syms: $(wildcard nucleus/entry.syms nucleus/arch/$(ARCH)/entry.syms) $(B)/objects
	@mkdir -p $(@D)
	$(Q)cat /dev/null $(filter %.syms,$^) > $@

NUCLEUS_PARTS = $(filter-out $(NUCLEUS_LIB),$(NUCLEUS_OBJ)) --start-lib $(NUCLEUS_LIB) --end-lib

# A script that discards the functions which the linker finds unreached: of lib/ and libfdt most files have some.
$(B)/nucleus.unreached.lds: $(NUCLEUS_OBJ) $(B)/objects mk/nucleus.reach.lds
	@mkdir -p $(@D)
	$(Q)$(LD) --gc-sections --print-gc-sections --unresolved-symbols=ignore-all -T mk/nucleus.reach.lds -o $@.o $(NUCLEUS_PARTS) >$@.list
	$(Q)rm -f $@.o
	$(Q){ echo 'SECTIONS { /DISCARD/ : {'; sed -n 's/^removing unused section \(.*\):(\(\.text\..*\))$$/\1(\2)/p' $@.list; echo '} }'; } >$@

$(B)/nucleus.o: $(NUCLEUS_OBJ) $(B)/nucleus.unreached.lds $(B)/entry.syms $(B)/image.lds tools/check-closed
	$(call say,LD -r,$@)
	$(Q)$(LD) -r --trace -T $(B)/nucleus.unreached.lds -o $@.tmp $(NUCLEUS_PARTS) >$(B)/nucleus.linked
	$(Q)$(OBJCOPY) --keep-global-symbols=$(B)/entry.syms $@.tmp
	$(Q)$(PYTHON) tools/check-closed --nm $(NM) --script $(B)/image.lds $@.tmp
	$(Q)mv $@.tmp $@

LINK_FLAGS := -static -nostdlib --build-id=none -z max-page-size=4096 -z noexecstack \
	--orphan-handling=error --no-gc-sections --fatal-warnings -O1

$(B)/symtab-0.blob:
	@mkdir -p $(@D)
	$(Q): > $@

# What only the end of the link needs.
SYMTAB_OBJECT = $(Q)printf '.section .symtab_blob,"a",%%progbits\n.balign 8\n.incbin "%s"\n' $< | \
	$(CLANG) -target $(KERNEL_TARGET) -x assembler -c - -o $@.tmp && \
	$(OBJCOPY) --remove-section=.text $@.tmp && mv $@.tmp $@

$(B)/symtab-0.o: $(B)/symtab-0.blob
	$(SYMTAB_OBJECT)

# $(call layout,NAME): a number of the layout, where the lowered half and its brackets begin.
layout = $$(echo $(1) | $(CLANG) -target $(KERNEL_TARGET) -E -P $(NUCLEUS_INCLUDES) \
	-include nucleus/layout.h -D__ASSEMBLER__=1 -x c - | tail -1 | tr -d '()')

EXEMPT := test/opcodes.exempt
CHECKS := tools/check-includes tools/check-layers kernel/floors.txt tools/mkcomponents tools/components-table tools/check-opcodes $(EXEMPT)

# What an image's lowered half is linked from.
link-objects = $(filter-out $(KERNEL_LIB),$(1)) --start-lib $(KERNEL_LIB) --end-lib

# $(call link-image,NAME,OBJECTS): $(B)/NAME.elf, which carries this name only after every check has passed.
define link-image
$(B)/$(1)-pass1.elf: $(B)/nucleus.o $(2) $(B)/symtab-0.o $(B)/image.lds $(B)/objects
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(LD) $$(LINK_FLAGS) -T $$(B)/image.lds -o $$@ $$(B)/nucleus.o $(call link-objects,$(2)) $$(B)/symtab-0.o

$(B)/$(1)-symtab.blob: $(B)/$(1)-pass1.elf tools/mksymtab
	$$(call say,SYMTAB,$$@)
	$$(Q)$$(PYTHON) tools/mksymtab --dwarfdump $$(DWARFDUMP) --gsymutil $$(GSYMUTIL) -o $$@ $$<

$(B)/$(1)-symtab.o: $(B)/$(1)-symtab.blob
	$$(SYMTAB_OBJECT)

$(B)/$(1)-unchecked.elf: $(B)/$(1)-pass1.elf $(B)/$(1)-symtab.o
	$$(call say,LD,$$@)
	$$(Q)$$(LD) $$(LINK_FLAGS) -T $$(B)/image.lds -o $$@ $$(B)/nucleus.o $(call link-objects,$(2)) $$(B)/$(1)-symtab.o
	$$(Q)$$(PYTHON) tools/mksymtab --same $$< $$@

$(B)/$(1).elf: $(B)/$(1)-unchecked.elf $$(CHECKS)
	$$(call say,CHECK,$$@)
	$$(Q)$$(PYTHON) tools/check-includes $$(B)
	$$(Q)$$(PYTHON) tools/check-layers --nm $$(NM) $$(B)
	$$(Q)$$(PYTHON) tools/mkcomponents --arch $$(ARCH) --nm $$(NM) --check $$(B)
	$$(Q)$$(PYTHON) tools/components-table $$<
	$$(Q)$$(PYTHON) tools/check-opcodes --arch $$(ARCH) --objdump $$(OBJDUMP) --nucleus-end $$(call layout,GATES_BASE) \
		--brackets-base $$(call layout,BRACKETS_BASE) --exempt $$(EXEMPT) $$<
	$$(Q)cp $$< $$@
endef
$(eval $(call link-image,stellux,$(KERNEL_OBJ)))
$(eval $(call link-image,stellux-ktest,$(KERNEL_OBJ) $(KTEST_OBJ)))
$(eval $(call link-image,stellux-strike,$(STRIKE_OBJ)))

.PHONY: kernel
kernel: ## builds the kernel image and proves its privilege boundary
kernel: $(B)/stellux.elf compile_commands.json

.PHONY: components-table
components-table: $(B)/stellux.elf ## makes the table of doc/components.md from the image
	$(Q)$(PYTHON) tools/components-table $< --write doc/components.md

.PHONY: kernel-ktest
kernel-ktest: $(B)/stellux-ktest.elf ## builds the kernel with its own tests linked in

.PHONY: kernel-strike
kernel-strike: $(B)/stellux-strike.elf ## builds the kernel in whose functions a fault can be provoked

.PHONY: objects
objects: ## compiles both halves without linking
objects: $(NUCLEUS_OBJ) $(KERNEL_OBJ) $(KTEST_OBJ)

KERNEL_JSON := $(patsubst %.o,%.json,$(filter %.c.o,$(NUCLEUS_OBJ) $(KERNEL_OBJ)))
compile_commands.json: $(B)/stellux-pass1.elf
	$(Q){ echo '['; cat $(KERNEL_JSON) | sed '$$ s/,$$//'; echo ']'; } > $@

-include $(NUCLEUS_OBJ:.o=.d) $(KERNEL_OBJ:.o=.d) $(KTEST_OBJ:.o=.d) $(STRIKE_OBJ:.o=.d) $(B)/image.lds.d
