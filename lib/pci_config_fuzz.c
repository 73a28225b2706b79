/* SPDX-License-Identifier: MIT */
/* libFuzzer: any configuration space; all that is decoded from it stays within what the header allows. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <lib/pci_config.h>

static unsigned char space[PCIE_CONFIG_BYTES];

static uint32_t read_space(void *context, uint32_t offset)
{
	uint32_t word;

	(void)context;
	assert(offset % 4 == 0 && offset < sizeof(space));
	memcpy(&word, space + offset, 4);
	return word;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct pci_config config = {.read32 = read_space, .bytes = PCIE_CONFIG_BYTES};
	struct pci_identity id;
	struct pci_bar bars[PCI_BARS_MAX];
	struct pci_windows windows;
	struct pci_msix msix;
	uint32_t value[PCI_BARS_MAX], ones[PCI_BARS_MAX];

	memset(space, 0, sizeof(space));
	memcpy(space, data, size < sizeof(space) ? size : sizeof(space));
	(void)pci_identify(&config, &id);
	pci_windows_decode(&config, &windows);
	memcpy(value, space + PCI_BAR0, sizeof(value));
	memcpy(ones, space + 0x60, sizeof(ones));
	pci_bars_decode(value, ones, PCI_BARS_MAX, bars);
	for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
		assert((bars[i].kind == PCI_BAR_NONE) == (bars[i].size == 0));
		assert((bars[i].size & (bars[i].size - 1)) == 0);
		assert(bars[i].size == 0 || bars[i].base % bars[i].size == 0);
	}
	uint32_t decodable = pci_bars_decodable(ones, bars, PCI_BARS_MAX);
	for (unsigned i = 0; i < PCI_BARS_MAX; i++)
		assert(bars[i].kind == PCI_BAR_NONE || bars[i].base != 0 ||
		       (decodable & (bars[i].kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)) == 0);
	if (pci_msix_decode(&config, bars, &msix)) {
		assert(msix.vectors >= 1 && msix.vectors <= 2048);
		assert(msix.table_offset + 16ull * msix.vectors <= bars[msix.table_bar].size);
	}
	for (uint32_t id_wanted = 0; id_wanted < 256; id_wanted += 5) {
		uint32_t at = pci_capability_find(&config, id_wanted, 0);
		assert(at == 0 || (at >= 0x40 && at < PCI_CONFIG_BYTES && space[at] == id_wanted));
		at = pcie_capability_find(&config, id_wanted, 0);
		assert(at == 0 || (at >= PCI_CONFIG_BYTES && at < PCIE_CONFIG_BYTES));
	}
	return 0;
}
