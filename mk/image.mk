# SPDX-License-Identifier: MIT
#
# The disk image: GPT, one EFI system partition with the loader, limine.conf, the
# kernel and the initramfs. APPEND="..." adds to the kernel's command line.

CMDLINE ?= console=$(CONSOLE)
IMAGE   ?= $(if $(filter build,$(BUILD)),images,$(B))/stellux-$(ARCH).img

# LIMINE=1 boots with the real Limine that `make limine` fetched.
ifeq ($(LIMINE),1)
LOADER := build/third_party/limine/$(EFI_NAME)
$(LOADER):
	@echo 'The real Limine is not here; run "make limine" first.' >&2; exit 1
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
limine: ## fetches the real Limine 8.x; boot with it by LIMINE=1
	$(Q)$(PYTHON) tools/fetch-limine build/third_party/limine $(EFI_NAME)
