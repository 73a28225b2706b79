# SPDX-License-Identifier: MIT
#
# The UEFI loader: boot/, with its own compiled copy of lib/, as a PE application.

BOOT_SRC := $(sort $(filter-out %_test.c,$(wildcard boot/*.c) \
	$(shell find boot/arch/$(ARCH) \( -name '*.c' -o -name '*.S' \) 2>/dev/null)) $(LIB_ALL))
BOOT_OBJ := $(BOOT_SRC:%=$(B)/boot/%.obj)
BOOT_INCLUDES := -Iboot -Iboot/arch/$(ARCH) -Iboot/arch/$(ARCH)/include -I.
BOOT_CFLAGS := -target $(BOOT_TARGET) $(BOOT_ARCH_CFLAGS) -std=c23 -ffreestanding -fshort-wchar \
	-fno-stack-protector -fno-strict-aliasing -fwrapv -ffunction-sections \
	-fno-asynchronous-unwind-tables $(WARNINGS) $(REPRODUCIBLE) -O2

$(eval $(call flags-file,$(B)/boot/flags,$(CLANG) $(BOOT_CFLAGS) $(BOOT_INCLUDES)))
$(eval $(call flags-file,$(B)/boot/objects,$(BOOT_OBJ)))

$(B)/boot/%.c.obj: %.c $(B)/boot/flags
	$(call say,CC,boot $<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BOOT_CFLAGS) $(BOOT_INCLUDES) -MMD -MP -MJ $(@:.obj=.json) -c $< -o $@

$(B)/boot/%.S.obj: %.S $(B)/boot/flags
	$(call say,AS,boot $<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BOOT_CFLAGS) $(BOOT_INCLUDES) -MMD -MP -c $< -o $@

$(LIBFDT_USERS:%=$(B)/boot/%.obj): BOOT_CFLAGS += $(LIBFDT_INCLUDES)
$(LIBFDT_USERS:%=$(B)/boot/%.obj): $(LIBFDT)/.version

$(B)/$(EFI_NAME): $(BOOT_OBJ) $(B)/boot/objects
	$(call say,LD,$@)
	$(Q)$(LLD_LINK) -subsystem:efi_application -entry:efi_main -nodefaultlib -opt:ref \
		-timestamp:0 -machine:$(BOOT_MACHINE) -out:$@ $(BOOT_OBJ)

.PHONY: boot
boot: $(B)/$(EFI_NAME) ## builds the UEFI loader

-include $(BOOT_OBJ:.obj=.d)
