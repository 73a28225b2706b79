# SPDX-License-Identifier: MIT
#
# Third-party packages, programs that run on Stellux, and the initramfs images.
# user/Makefile.inc says how the programs are built and what goes into an image.

THIRD_PARTY := build/third_party

# $(call package,NAME): where the locked package is unpacked.
package = $(THIRD_PARTY)/$(1)-$(DEB_ARCH)

MUSL_INC := $(call package,musl-dev)/usr/include/$(USER_TARGET)
MUSL_LIB := $(call package,musl-dev)/usr/lib/$(USER_TARGET)
BUSYBOX  := $(call package,busybox-static)/bin/busybox
MUSL     := $(call package,musl-dev)/.version

$(THIRD_PARTY)/%/.version: third_party.lock
	$(Q)$(PYTHON) tools/fetch $(patsubst %-$(DEB_ARCH),%,$*) $(DEB_ARCH) $(@D)

$(THIRD_PARTY)/%-source/.version: third_party.lock
	$(Q)$(PYTHON) tools/fetch $* source $(@D)

# Debian 13 moved /bin into /usr/bin in the packages themselves.
$(BUSYBOX): $(call package,busybox-static)/.version
	$(Q)test -e $@ || { mkdir -p $(@D) && cp -p $(call package,busybox-static)/usr/bin/busybox $@; }
	$(Q)touch $@

# The C library of programs that are linked dynamically, which is their interpreter too.
LIBC_SO := $(B)/user/libc.so
$(LIBC_SO): $(call package,musl)/.version
	@mkdir -p $(@D)
	$(Q)cp -p "$$(ls -d $(call package,musl)/lib/$(USER_TARGET)/libc.so $(call package,musl)/usr/lib/$(USER_TARGET)/libc.so 2>/dev/null | head -1)" $@
	$(Q)touch $@

BUILTINS := $(USER_BUILTINS_PACKAGE:%=$(call package,%)/.version)

# Programs of Debian, unmodified, for tests that let them read what we show (test/devices/tools_test.py).
DEBIAN_PACKAGES := pciutils libpci3 pci.ids libkmod2 libudev1 zlib1g liblzma5 libzstd1 libssl3 libc6 util-linux libblkid1 libmount1 \
	libsmartcols1 libselinux1 libpcre2-8-0 coreutils libacl1 libattr1 libcap2 passwd libpam0g libpam-modules libaudit1 libcap-ng0 \
	libsemanage2 libsepol2 libbz2-1.0 libcrypt1 libbsd0 libmd0 sudo libapparmor1
# Where BusyBox has one of the same name, Debian's is in another folder.
DEBIAN_PROGRAMS := lspci lsblk /debian/bin/ls /debian/bin/su /debian/bin/passwd /debian/bin/useradd /debian/bin/sudo sudo/sudoers.so \
	security/pam_rootok.so security/pam_unix.so
DEBIAN_VERSIONS := $(foreach p,$(DEBIAN_PACKAGES),$(call package,$(p))/.version)

.PHONY: fetch
fetch: $(MUSL) $(call package,musl)/.version $(BUSYBOX) $(BUILTINS) $(LIBFDT)/.version $(LWIP)/.version $(LIBVTERM)/.version $(FONT_PACKAGE)/.version $(DEBIAN_VERSIONS) ## fetches and verifies all third-party packages

# Headers and start files must be there before the first program is compiled.
$(B)/user/flags: $(MUSL) $(BUILTINS)

-include user/Makefile.inc

$(B)/%.cpio: $(B)/%.list tools/mkcpio
	$(call say,CPIO,$@)
	$(Q)$(PYTHON) tools/mkcpio $< $@

.PHONY: initramfs
initramfs: $(B)/initramfs.cpio $(B)/initramfs-test.cpio ## builds the initial file systems

$(B)/initramfs-debian.list: $(B)/initramfs.list tools/debian-list $(DEBIAN_VERSIONS)
	$(call say,LIST,$@)
	$(Q)cp $< $@.tmp
	$(Q)$(PYTHON) tools/debian-list $(DEBIAN_PROGRAMS) -- $(foreach p,$(DEBIAN_PACKAGES),$(call package,$(p))) >> $@.tmp
	$(Q)printf 'dir /usr/share 755\ndir /usr/share/misc 755\nfile /usr/share/misc/pci.ids %s 644\n' \
		$(call package,pci.ids)/usr/share/misc/pci.ids >> $@.tmp
	$(Q)mv $@.tmp $@

.PHONY: initramfs-debian
initramfs-debian: $(B)/initramfs-debian.cpio
