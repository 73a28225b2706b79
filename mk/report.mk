# SPDX-License-Identifier: MIT
#
# Reports about the sources and the image, and the formatter.

.PHONY: privilege-report
privilege-report: $(B)/stellux.elf ## how much code is privileged, every bracket, the nucleus's interface
	$(Q)$(PYTHON) tools/privilege-report --arch $(ARCH) --build $(B) --objdump $(OBJDUMP) --symbolizer $(SYMBOLIZER)

.PHONY: mutate
mutate: need ## breaks the kernel on purpose, once per patch of test/mutation; each must fail a test (SAMPLE=n: only n, SEED=n)
	$(Q)$(OWN_MAKE) $(PYTHON) tools/mutate --make '$(MAKE_COMMAND)' --select '$(TEST)' $(TEST_ARCHES:%=--arch %) $(if $(JOBS),--jobs $(JOBS)) \
		$(if $(SEED),--seed $(SEED)) $(if $(SAMPLE),--sample $(SAMPLE))

FORMATTED = $(shell git ls-files '*.c' '*.h')
.PHONY: format format-check
format: ## formats the C sources with clang-format
	$(Q)$(call tool,clang-format) -i $(FORMATTED)
format-check: ## names C sources that clang-format would change
	$(Q)$(call tool,clang-format) --dry-run --Werror $(FORMATTED)

# $(call tidy-rule,FOLDER,OBJECT SUFFIX,FLAGS): a file is looked at again when its object is newer. lib/ counts as the nucleus's.
define tidy-rule
$(B)/tidy/$(1)/%.c.ok: %.c $(B)/$(1)/%.c.$(2) .clang-tidy
	$$(call say,TIDY,$(1) $$<)
	@mkdir -p $$(@D)
	$$(Q)$$(call tool,clang-tidy) --quiet --warnings-as-errors='*' $$< -- $(3) 2>$$@.log || { cat $$@.log; exit 1; }
	$$(Q)touch $$@
endef
$(eval $(call tidy-rule,n,o,$$(KERNEL_CFLAGS) $$(NUCLEUS_INCLUDES) $$(LIBFDT_INCLUDES)))
$(eval $(call tidy-rule,k,o,$$(KERNEL_CFLAGS) $$(KERNEL_INCLUDES) --embed-dir=$$(B)))
$(eval $(call tidy-rule,boot,obj,$$(BOOT_CFLAGS) $$(BOOT_INCLUDES)))

tidy-files = $(patsubst %,$(B)/tidy/$(1)/%.ok,$(filter-out build/%,$(filter %.c,$(2))))
.PHONY: tidy
tidy: $(call tidy-files,n,$(NUCLEUS_SRC)) $(call tidy-files,k,$(filter-out lib/%,$(KERNEL_SRC))) \
	$(call tidy-files,boot,$(filter-out lib/%,$(BOOT_SRC)))
tidy: ## clang-tidy over nucleus, kernel, lib and boot; -j2 -k helps
