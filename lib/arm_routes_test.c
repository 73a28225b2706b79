/* SPDX-License-Identifier: MIT */
/* Host test of lib/arm_routes.c, arm_iort.c: maps of trees that dtc made, and IORTs described here byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <lib/arm_iort.h>
#include <lib/arm_platform.h>

static const _Alignas(8) unsigned char tree[] = {
#embed "devicetree/gic-v3-its.dtb"
};
static const _Alignas(8) unsigned char smmu_tree[] = {
#embed "devicetree/smmu-v3.dtb"
};

static struct arm_routes r;
static struct arm_smmus smmus;

/* The target's index << 32 and the number that it knows; -1: none. */
static int64_t route_in(const struct arm_routes *routes, uint32_t function)
{
	unsigned target;
	uint32_t id;

	return arm_route_of(routes, function, &target, &id) ? (int64_t)((uint64_t)target << 32 | id) : -1;
}

static int64_t route(uint32_t function)
{
	return route_in(&r, function);
}

static int64_t stream(uint32_t function)
{
	return route_in(&smmus.routes, function);
}

#define TO(target, id) ((int64_t)((uint64_t)(target) << 32 | (id)))

static void of_a_tree(void **)
{
	static struct arm_platform p;

	assert_true(arm_platform_from_devicetree(tree, sizeof(tree), &p));
	r = p.its;
	assert_int_equal(r.target_count, 2);
	assert_int_equal(r.target[0].phys, 0x8080000);
	assert_int_equal(r.target[1].phys, 0x2009000000);
	assert_int_equal(route(0x0000), TO(0, 0));
	assert_int_equal(route(0x00ff), TO(0, 0xff));
	assert_int_equal(route(0x0100), -1);
	assert_int_equal(route(0x0200), TO(1, 0x40));
	/* The first answer holds. */
	assert_int_equal(route(0x02ff), TO(1, 0x13f));
	assert_int_equal(route(0x4000), -1);
	assert_int_equal(route(0x5000), -1);
	assert_int_equal(route(0x6000), -1);
	assert_int_equal(route(0x7000), -1);
	assert_int_equal(route(0xff00), -1);
	/* Another segment's functions are one device each. */
	assert_int_equal(route(0x30000), TO(1, 0x100000));
	assert_int_equal(route(0x30fff), TO(1, 0x100ff8));
	assert_int_equal(route(0x31000), -1);
	assert_int_equal(route(0x40000), -1);
	/* By their own numbers. */
	assert_int_equal(route(0x50000), TO(1, 0));
	assert_int_equal(route(0x50f08), TO(1, 0xf08));
	assert_int_equal(route(0x5ffff), TO(1, 0xffff));
	assert_int_equal(route(0x60000), -1);
	assert_int_equal(route(0x70000), -1);
	/* All but the doorbell that is no service. */
	assert_int_equal(r.refused, 7);
	assert_int_equal(r.count, 4);
}

static void smmus_of_a_tree(void **)
{
	static struct arm_platform p;
	uint32_t function = 0;

	assert_true(arm_platform_from_devicetree(smmu_tree, sizeof(smmu_tree), &p));
	smmus = p.smmu;
	assert_int_equal(smmus.routes.target_count, 2);
	assert_int_equal(smmus.routes.target[0].phys, 0x9050000);
	assert_int_equal(smmus.wires[0].event.id, 32 + 74);
	assert_false(smmus.wires[0].event.level);
	assert_int_equal(smmus.wires[0].error.id, 32 + 77);
	assert_int_equal(smmus.routes.target[1].phys, 0x2009050000);
	assert_int_equal(smmus.wires[1].event.id, 32 + 100);
	assert_true(smmus.wires[1].event.level);
	assert_int_equal(smmus.wires[1].error.id, 32 + 100);
	assert_int_equal(stream(0x00ff), TO(0, 0xff));
	assert_int_equal(stream(0x0100), TO(1, 0x8000));
	assert_int_equal(stream(0x017f), TO(1, 0x807f));
	assert_int_equal(stream(0x0180), -1);
	assert_int_equal(stream(0x01ff), TO(0, 0));
	assert_int_equal(stream(0x4000), -1);
	assert_int_equal(stream(0x5000), -1);
	assert_int_equal(stream(0x6000), -1);
	assert_int_equal(stream(0x7000), -1);
	assert_int_equal(stream(0xff00), -1);
	/* All functions of a bus are one to that IOMMU. */
	assert_int_equal(stream(0x30107), TO(1, 0x100100));
	assert_int_equal(stream(0x301f8), TO(1, 0x100100));
	assert_int_equal(stream(0x40000), -1);
	/* The crooked one, and five entries; what another kind of IOMMU translates is no contradiction. */
	assert_int_equal(smmus.routes.refused, 6);
	/* Whose a stream is. */
	assert_true(arm_route_back(&smmus.routes, 1, 0x8001, &function));
	assert_int_equal(function, 0x101);
	assert_true(arm_route_back(&smmus.routes, 0, 0xff, &function));
	assert_int_equal(function, 0xff);
	assert_false(arm_route_back(&smmus.routes, 0, 0x100, &function));
	assert_false(arm_route_back(&smmus.routes, 1, 0x8080, &function));
	assert_false(arm_route_back(&smmus.routes, 1, 0x7fff, &function));
	/* A bridge's messages are another question. */
	assert_int_equal(p.its.count, 0);
}

static void targets_are_told_apart(void **)
{
	r = (struct arm_routes){};
	assert_true(arm_routes_add_target(&r, 0x8080000, 1));
	assert_false(arm_routes_add_target(&r, 0x9080000, 1));
	assert_false(arm_routes_add_target(&r, 0x8080000, 2));
	assert_false(arm_routes_add_target(&r, 0, 3));
	assert_false(arm_routes_add_target(&r, 0x9081000, 3));
	assert_int_equal(r.target_count, 1);
	assert_int_equal(r.refused, 4);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(arm_routes_add_target(&r, 0x10000000 + ((uint64_t)i << 20), 10 + i),
				 i < ARM_TARGETS_MAX - 1);
	assert_int_equal(r.target_count, ARM_TARGETS_MAX);
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(
			arm_routes_add(&r, (struct arm_route){.first = i, .last = i, .mask = 0xffff, .id = 1000 + i},
				       10),
			i < ARM_ROUTES_MAX);
	assert_int_equal(r.count, ARM_ROUTES_MAX);
	assert_int_equal(route(31), TO(1, 1031));
	assert_int_equal(route(32), -1);
}

/* Two buses of one stream each, whose maps are longer than that: what the mask leaves out has no stream of its own. */
static void back_past_a_mask(void **)
{
	uint32_t function = 0;

	r = (struct arm_routes){};
	assert_true(arm_routes_add_target(&r, 0x8080000, 1));
	assert_true(arm_routes_add(&r, (struct arm_route){.first = 0, .last = 0xff, .mask = 0xff00}, 1));
	assert_true(
		arm_routes_add(&r, (struct arm_route){.first = 0x100, .last = 0x1ff, .mask = 0xff00, .id = 0x80}, 1));
	assert_int_equal(route(0x80), TO(0, 0));
	assert_int_equal(route(0x108), TO(0, 0x80));
	assert_true(arm_route_back(&r, 0, 0x80, &function));
	assert_int_equal(function, 0x100);
	assert_false(arm_route_back(&r, 0, 0x81, &function));
}

/* --- IORT --- */

static unsigned char table[1024];
static size_t length;

static void put(size_t at, uint64_t v, int n)
{
	for (int i = 0; i < n; i++)
		table[at + (size_t)i] = (unsigned char)(v >> (8 * i));
}

static uint32_t node(uint8_t type, size_t body, uint32_t mappings)
{
	size_t at = length;

	table[at] = type;
	put(at + 1, 16 + body + 20 * mappings, 2);
	put(at + 8, mappings, 4);
	put(at + 12, 16 + body, 4);
	length += 16 + body + 20 * mappings;
	put(36, (uint64_t)table[36] + 1, 4);
	return (uint32_t)at;
}

static uint32_t group(uint32_t name)
{
	uint32_t at = node(0, 8, 0);

	put(at + 16, 1, 4);
	put(at + 20, name, 4);
	return at;
}

static void mapping(uint32_t at, uint32_t index, uint32_t first, uint32_t count, uint32_t output, uint32_t target)
{
	size_t m = at + table[at + 12] + 20 * index;

	put(m, first, 4);
	put(m + 4, count - 1, 4);
	put(m + 8, output, 4);
	put(m + 12, target, 4);
}

static uint32_t root_complex(uint32_t segment, uint32_t mappings)
{
	uint32_t at = node(2, 20, mappings);

	put(at + 28, segment, 4);
	return at;
}

static int set_up(void **)
{
	memset(table, 0, sizeof(table));
	length = 48;
	put(40, 48, 4);
	r = (struct arm_routes){};
	smmus = (struct arm_smmus){};
	assert_true(arm_routes_add_target(&r, 0x8080000, 5));
	assert_true(arm_routes_add_target(&r, 0x9080000, 6));
	return 0;
}

static void read_table(void)
{
	arm_iort_read(table, length, &r, &smmus);
}

static void straight_to_a_group(void **)
{
	uint32_t g = group(6), root = root_complex(0, 1), other = root_complex(2, 2);

	mapping(root, 0, 0, 0x10000, 0, g);
	mapping(other, 0, 0x100, 0x100, 0x20000, g);
	mapping(other, 1, 0x180, 1, 7, g); /* is in the one before */
	read_table();
	assert_int_equal(route(0xffff), TO(1, 0xffff));
	assert_int_equal(route(0x10000), -1);
	assert_int_equal(route(0x20100), TO(1, 0x20000));
	assert_int_equal(route(0x20180), TO(1, 0x20080));
	assert_int_equal(route(0x20200), -1);
	assert_int_equal(r.refused, 1);
}

/* The IOMMU numbers anew, and leaves out what it does not know. */
static void through_an_iommu(void **)
{
	uint32_t first = group(5), second = group(6), iommu = node(4, 52, 3), root = root_complex(0, 1);

	mapping(iommu, 0, 0x1000, 0x100, 0x40, first);
	mapping(iommu, 1, 0x1100, 0x80, 0x9000, second);
	mapping(iommu, 2, 0x1200, 4, 0, first); /* one for itself */
	put(iommu + 16 + 52 + 40 + 16, 1, 4);
	mapping(root, 0, 0x80, 0x200, 0x1080, iommu);
	read_table();
	assert_int_equal(route(0x7f), -1);
	assert_int_equal(route(0x80), TO(0, 0x40 + 0x80));
	assert_int_equal(route(0xff), TO(0, 0x40 + 0xff));
	assert_int_equal(route(0x100), TO(1, 0x9000));
	assert_int_equal(route(0x17f), TO(1, 0x907f));
	assert_int_equal(route(0x180), -1);
	assert_int_equal(route(0x200), -1);
	assert_int_equal(r.refused, 0);
}

static uint32_t smmu(uint64_t phys, uint32_t model, uint32_t event, uint32_t error, uint32_t mappings)
{
	uint32_t at = node(4, 52, mappings);

	put(at + 16, phys, 8);
	put(at + 40, model, 4);
	put(at + 44, event, 4);
	put(at + 52, error, 4);
	return at;
}

/* Each function's stream and its messages' sender are two answers. Who refers to a node may come before it. */
static void smmus_of_a_table(void **)
{
	uint32_t root = root_complex(1, 4), g = group(5), s = smmu(0x12309050000, 0, 106, 109, 1);
	uint32_t quirky = smmu(0x9090000, 1, 200, 201, 0), wireless = smmu(0x90b0000, 0, 31, 1020, 0);

	mapping(s, 0, 0x10000, 0x10000, 0x500, g);
	mapping(root, 0, 0, 0x100, 0x10000, s);
	mapping(root, 1, 0x100, 0x100, 0, quirky);
	mapping(root, 2, 0x200, 0x100, 7, wireless);
	mapping(root, 3, 0xff00, 0x101, 0, wireless);
	(void)node(6, 16, 0); /* memory that firmware's devices use */
	read_table();
	assert_int_equal(smmus.routes.target_count, 2);
	assert_int_equal(smmus.routes.target[0].phys, 0x12309050000);
	assert_int_equal(smmus.wires[0].event.id, 106);
	assert_false(smmus.wires[0].event.level);
	assert_int_equal(smmus.wires[0].error.id, 109);
	assert_int_equal(smmus.wires[1].event.id, 0);
	assert_int_equal(smmus.wires[1].error.id, 0);
	assert_int_equal(stream(0x10000), TO(0, 0x10000));
	assert_int_equal(stream(0x100ff), TO(0, 0x100ff));
	assert_int_equal(stream(0x10100), -1);
	assert_int_equal(stream(0x10200), TO(1, 7));
	assert_int_equal(stream(0x1ff00), -1);
	assert_int_equal(stream(0x00000), -1);
	assert_int_equal(smmus.routes.refused, 3);
	assert_int_equal(smmus.reserved, 1);
	assert_int_equal(route(0x100ff), TO(0, 0x5ff));
	assert_int_equal(route(0x10200), -1);
}

static void nonsense_is_refused(void **)
{
	uint32_t g = group(5), unknown = group(77), iommu = node(3, 60, 1), root = root_complex(0, 6);

	mapping(iommu, 0, 0, 0x100, 0, iommu);
	mapping(root, 0, 0, 0x10, 0, unknown);
	mapping(root, 1, 0x10, 0x10, 0, 4000);
	mapping(root, 2, 0x20, 0x10, 0, root);
	mapping(root, 3, 0x30, 0x10, 0, iommu);
	mapping(root, 4, 0xfff0, 0x11, 0, g);
	mapping(root, 5, 0x40, 0x10, 0, 36);
	read_table();
	assert_int_equal(r.count, 0);
	assert_int_equal(r.refused, 6);
}

static void cut_anywhere(void **)
{
	uint32_t g = group(5), root = root_complex(0, 2);

	mapping(root, 0, 0, 0x10, 0, g);
	mapping(root, 1, 0x10, 0x10, 0x10, g);
	for (size_t n = 0; n < length; n++) {
		r.count = 0;
		arm_iort_read(table, n, &r, &smmus);
		assert_int_equal(r.count, 0);
	}
	/* Mappings beyond their node are none, nor numbers that come to an end. */
	put(root + 8, 9, 4);
	r.count = 0;
	read_table();
	assert_int_equal(r.count, 2);
	mapping(root, 1, 0xfffffff8, 0x10, 0, g);
	r.count = 0;
	read_table();
	assert_int_equal(r.count, 1);
	put(root + 1, 0, 2);
	r.count = 0;
	read_table();
	assert_int_equal(r.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_tree),
		cmocka_unit_test(smmus_of_a_tree),
		cmocka_unit_test(targets_are_told_apart),
		cmocka_unit_test(back_past_a_mask),
		cmocka_unit_test_setup(straight_to_a_group, set_up),
		cmocka_unit_test_setup(through_an_iommu, set_up),
		cmocka_unit_test_setup(smmus_of_a_table, set_up),
		cmocka_unit_test_setup(nonsense_is_refused, set_up),
		cmocka_unit_test_setup(cut_anywhere, set_up),
	};

	return cmocka_run_group_tests_name("arm_routes", tests, nullptr, nullptr);
}
