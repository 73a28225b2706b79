# SPDX-License-Identifier: MIT
#
# The vDSO: a small shared object from kernel/arch/$(ARCH)/vdso, linked for processes and
# embedded into the kernel by kernel/vm/vdso.c.

VDSO_SRC := $(sort $(wildcard kernel/arch/$(ARCH)/vdso/*.c))
VDSO_OBJ := $(VDSO_SRC:%=$(B)/vdso/%.o)
VDSO_CFLAGS := -target $(KERNEL_TARGET) -std=c23 -O2 -fPIC -ffreestanding -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fvisibility=default $(WARNINGS) $(REPRODUCIBLE)

$(eval $(call flags-file,$(B)/vdso/flags,$(CLANG) $(VDSO_CFLAGS) $(KERNEL_INCLUDES)))

$(B)/vdso/%.c.o: %.c $(B)/vdso/flags
	$(call say,CC,vdso $<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(VDSO_CFLAGS) $(KERNEL_INCLUDES) -MMD -MP -c $< -o $@

# A relocation would need a dynamic linker that nobody runs on it.
$(B)/vdso.so: $(VDSO_OBJ) kernel/arch/$(ARCH)/vdso/vdso.lds
	$(call say,LD,$@)
	$(Q)$(LD) -shared -soname linux-vdso.so.1 --hash-style=both -Bsymbolic --build-id=none -z text -z noexecstack \
		-z max-page-size=4096 --strip-all --no-undefined -T kernel/arch/$(ARCH)/vdso/vdso.lds -o $@ $(VDSO_OBJ)

$(B)/k/kernel/vm/vdso.c.o $(B)/strike/k/kernel/vm/vdso.c.o: $(B)/vdso.so
$(B)/k/kernel/vm/vdso.c.o $(B)/strike/k/kernel/vm/vdso.c.o: KERNEL_CFLAGS += --embed-dir=$(B)

-include $(VDSO_OBJ:.o=.d)
