# SPDX-License-Identifier: MIT
#
# Reports about the sources and the image, and the formatter.

.PHONY: privilege-report
privilege-report: $(B)/stellux.elf ## how much code is privileged, every bracket, the nucleus's interface
	$(Q)$(PYTHON) tools/privilege-report --arch $(ARCH) --build $(B) --objdump $(OBJDUMP) --symbolizer $(SYMBOLIZER)

.PHONY: mutate
mutate: need ## breaks the nucleus on purpose, once per patch of test/mutation; each must fail a test
	$(Q)$(PYTHON) tools/mutate --make '$(MAKE)' --select '$(TEST)' $(TEST_ARCHES:%=--arch %) $(if $(JOBS),--jobs $(JOBS))

FORMATTED = $(shell git ls-files '*.c' '*.h')
.PHONY: format format-check tidy
format: ## formats the C sources with clang-format
	$(Q)$(call tool,clang-format) -i $(FORMATTED)
format-check: ## names C sources that clang-format would change
	$(Q)$(call tool,clang-format) --dry-run --Werror $(FORMATTED)
tidy: compile_commands.json ## clang-tidy over both halves
	$(Q)$(call tool,clang-tidy) --quiet -p . $(filter %.c,$(NUCLEUS_SRC) $(KERNEL_SRC))
