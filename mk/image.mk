# SPDX-License-Identifier: MIT
#
# The disk image: GPT, one EFI system partition with the loader, limine.conf, the
# kernel and the initramfs. APPEND="..." adds to the kernel's command line.

CMDLINE ?= console=$(CONSOLE)
IMAGE   ?= $(if $(filter build,$(BUILD)),images,$(B))/stellux-$(ARCH).img

# LIMINE=1 boots with the real Limine, which is fetched for this architecture alone.
LIMINE_FOLDER := build/third_party/limine-$(DEB_ARCH)
ifeq ($(LIMINE),1)
LOADER := $(LIMINE_FOLDER)/$(EFI_NAME)
$(LOADER): $(LIMINE_FOLDER)/.version ;
else
LOADER := $(B)/$(EFI_NAME)
endif

$(eval $(call flags-file,$(B)/cmdline,$(strip $(CMDLINE) $(APPEND)) $(LOADER)))

$(B)/limine.conf: $(B)/cmdline tools/mkconf
	$(Q)tools/mkconf $(call quoted,$(strip $(CMDLINE) $(APPEND))) initramfs.cpio > $@

# The name says nothing about debug or release, so that one path always runs; the
# folder's own copy keeps both.
$(B)/stellux.img: $(LOADER) $(B)/stellux.elf $(B)/initramfs.cpio $(B)/limine.conf $(wildcard tools/mkimage*)
	$(call say,IMAGE,$@)
	$(Q)tools/mkimage --arch $(ARCH) --efi $(LOADER) --kernel $(B)/stellux.elf \
		--module $(B)/initramfs.cpio --config $(B)/limine.conf -o $@.tmp
	$(Q)mv $@.tmp $@

$(IMAGE): $(B)/stellux.img FORCE
	@mkdir -p $(@D)
	$(Q)cmp -s $< $@ || { printf '  %-8s %s\n' IMAGE $@; cp --sparse=always $< $@; }

.PHONY: image
image: $(IMAGE) ## builds images/stellux-ARCH.img

.PHONY: $(ARCHES:%=image-%)
$(ARCHES:%=image-%): image-%:
	$(Q)$(MAKE) --no-print-directory ARCH=$* image

.PHONY: limine
limine: $(LIMINE_FOLDER)/.version ## fetches the real Limine for ARCH; boot with it by LIMINE=1
