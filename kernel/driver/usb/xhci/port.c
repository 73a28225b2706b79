/* SPDX-License-Identifier: MIT */
/* The ports of the root hub (xHCI 1.2, 4.19 and 5.4.8), as a hub tells of its own. */
#include "xhci.h"

static uint32_t port_at(unsigned port)
{
	return XHCI_PORTSC + (port - 1) * XHCI_PORT_BYTES;
}

struct row {
	uint32_t here, there;
};
static const struct row rows[] = {
	{XHCI_PORT_CONNECTED, USB_PORT_CONNECTED},
	{XHCI_PORT_ENABLED, USB_PORT_ENABLED},
	{XHCI_PORT_OVER_CURRENT, USB_PORT_OVER_CURRENT},
	{XHCI_PORT_RESET, USB_PORT_RESETTING},
	{XHCI_PORT_CONNECT_CHANGE, 1u << USB_FEATURE_C_CONNECTION},
	{XHCI_PORT_ENABLE_CHANGE, 1u << USB_FEATURE_C_ENABLE},
	{XHCI_PORT_CURRENT_CHANGE, 1u << USB_FEATURE_C_OVER_CURRENT},
	{XHCI_PORT_RESET_CHANGE | XHCI_PORT_WARM_CHANGE, 1u << USB_FEATURE_C_RESET},
	{XHCI_PORT_LINK_CHANGE, 1u << USB_FEATURE_C_LINK_STATE},
	{XHCI_PORT_CONFIG_CHANGE, 1u << USB_FEATURE_C_CONFIG_ERROR},
};

uint32_t port_status(struct device *dev, unsigned port, enum usb_speed *speed)
{
	const struct xhci *x = device_private(dev);
	uint32_t now = operational_read(x, port_at(port)), status = 0;
	uint32_t said = now >> XHCI_PORT_SPEED_SHIFT & 15;

	/* Nobody is there any more. */
	if (now == UINT32_MAX)
		return 0;
	/* Faster ones than SuperSpeed are driven as that. */
	*speed = said >= USB_SUPER ? USB_SUPER : said == 0 ? USB_HIGH : (enum usb_speed)said;
	for (unsigned n = 0; n < sizeof(rows) / sizeof(rows[0]); n++)
		if (now & rows[n].here)
			status |= rows[n].there;
	return status;
}

void port_set(struct device *dev, unsigned port, enum usb_port_feature feature, bool set)
{
	const struct xhci *x = device_private(dev);
	uint32_t keep = operational_read(x, port_at(port)) & XHCI_PORT_KEEPS, value = 0;

	if (feature == USB_FEATURE_RESET && set)
		value = XHCI_PORT_RESET;
	else if (feature == USB_FEATURE_POWER && set)
		value = XHCI_PORT_POWER;
	else if (feature == USB_FEATURE_ENABLE && !set)
		value = XHCI_PORT_ENABLED;
	for (unsigned n = 0; n < sizeof(rows) / sizeof(rows[0]) && !set && feature >= USB_FEATURE_C_CONNECTION; n++)
		if (rows[n].there == 1u << feature)
			value = rows[n].here;
	if (value != 0)
		operational_write(x, port_at(port), keep | value);
}
