# SPDX-License-Identifier: MIT
#
# Instructions, view switches and TLB flushes per operation, on Stellux in each mode and on
# Debian's Linux, in the same QEMU: bench/run. The counting plugin is built for this machine. How the scheduler does
# beside Linux's, in virtual time: bench/run-sched.

BENCH_PLUGIN := $(B)/bench/count.so
BENCH_CPIO   := $(B)/bench/initramfs.cpio

$(B)/u/bench/bench.o $(B)/u/bench/disk.o $(B)/u/bench/sched.o: USER_CFLAGS += -Iabi/arch/$(ARCH) -Ibench/arch/$(ARCH)

$(BENCH_PLUGIN): bench/count.c bench/arch/$(ARCH)/decode.h $(wildcard abi/arch/$(ARCH)/marker.h)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -std=c23 -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -I. -Ibench/arch/$(ARCH) -o $@ $<

$(BENCH_CPIO): bench/initramfs.list $$(BENCH_PROGRAMS) tools/mkcpio
	$(call say,CPIO,$@)
	$(Q)sed -e 's|@B@|$(B)|' bench/initramfs.list > $(B)/bench/initramfs.list
	$(Q)$(PYTHON) tools/mkcpio $(B)/bench/initramfs.list $@

# Always the release build: the debug build's checks are not what others' kernels carry.
.PHONY: bench
bench: need ## counts instructions per operation, beside Linux on the same machine (CPU= names another)
	$(Q)$(MAKE) --no-print-directory ARCH=$(ARCH) RELEASE=1 bench-run

.PHONY: bench-sched
bench-sched: need ## how late sleepers are and what hogs get on 1, 2 and 4 CPUs, beside Linux, in virtual time
	$(Q)$(MAKE) --no-print-directory ARCH=$(ARCH) RELEASE=1 bench-sched-run

.PHONY: bench-linux
bench-linux:
	$(Q)$(PYTHON) tools/fetch linux-image-cloud $(DEB_ARCH) build/third_party/linux-image-cloud-$(DEB_ARCH) || \
		echo 'bench: no Linux to compare with; its column stays empty' >&2

BENCH_ARGUMENTS = --arch $(ARCH) --build $(B) --linux build/third_party/linux-image-cloud-$(DEB_ARCH) $(if $(filter command% environment%,$(origin CPU)),--cpu $(CPU))

.PHONY: bench-run bench-sched-run
bench-run: $$(B)/stellux.elf $(B)/$(EFI_NAME) $(BENCH_PLUGIN) $(BENCH_CPIO) bench-linux
	$(Q)PYTHONPATH=tools $(PYTHON) bench/run $(BENCH_ARGUMENTS)

bench-sched-run: $$(B)/stellux.elf $(B)/$(EFI_NAME) $(BENCH_CPIO) bench-linux
	$(Q)PYTHONPATH=tools $(PYTHON) bench/run-sched $(BENCH_ARGUMENTS)
