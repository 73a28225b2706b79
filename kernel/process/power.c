/* SPDX-License-Identifier: MIT */
/*
 * The machine is switched off or restarted: by reboot(2), which keeps nothing that sync(2) was not asked to; or since
 * PID 1 is no more, and nobody is left who could ask. Drivers that want to hear of it do so before (struct driver).
 */
#include "internal.h"

#include <kernel/base/log.h>
#include <kernel/base/wait.h>
#include <kernel/thread/thread.h>
#include <kernel/vfs/vfs.h>
#include <nucleus/calls.h>

/* How long a disk that stands still keeps the machine from being switched off. */
constexpr uint64_t SYNC_LIMIT_NS = 30'000'000'000;

enum : uint32_t {
	REBOOT_MAGIC1 = 0xfee1dead,
	REBOOT_MAGIC2 = 672274793,
	REBOOT_MAGIC2A = 85072278,
	REBOOT_MAGIC2B = 369367448,
	REBOOT_MAGIC2C = 537993216,
	REBOOT_RESTART = 0x01234567,
	REBOOT_HALT = 0xcdef0123,
	REBOOT_POWER_OFF = 0x4321fedc,
	REBOOT_RESTART2 = 0xa1b2c3d4,
};

static void (*farewell)(bool off); /* set once, at boot */

void power_set_farewell(void (*tell)(bool off))
{
	farewell = tell;
}

/* Comes back, with an error, only if the machine cannot do it. */
static long go(uint32_t action)
{
	if (farewell != nullptr)
		farewell(true);
	log_settle();
	long error = nucleus_power(action);
	if (farewell != nullptr)
		farewell(false);
	return error;
}

static long power(uint32_t action, const char *word)
{
	log_info("process: %s, asked by %s[%u]", word, process_current()->name, process_current()->pid);
	return go(action);
}

static uint32_t synced; /* atomic */
static struct wait_queue sync_ended = WAIT_QUEUE_INIT(sync_ended);

static void sync_all(void *)
{
	(void)superblocks_sync();
	__atomic_store_n(&synced, 1, __ATOMIC_RELEASE);
	wait_wake_all(&sync_ended);
}

void power_off_without_init(void)
{
	struct thread *t;

	/* By a thread that need not end, as this one has to; for a disk that stands still not for ever. */
	int error = kthread_start(&component_process, "sync", sync_all, nullptr, &t);
	if (error == 0)
		error = wait_event_patiently(&sync_ended, __atomic_load_n(&synced, __ATOMIC_ACQUIRE), SYNC_LIMIT_NS);
	if (error != 0)
		log_error("process: not everything that was written is kept (error %d)", -error);
	(void)go(POWER_OFF);
}

static long sys_reboot(uint32_t magic1, uint32_t magic2, uint32_t command, user_addr)
{
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if (magic1 != REBOOT_MAGIC1 || (magic2 != REBOOT_MAGIC2 && magic2 != REBOOT_MAGIC2A &&
					magic2 != REBOOT_MAGIC2B && magic2 != REBOOT_MAGIC2C))
		return -EINVAL;
	switch (command) {
	case REBOOT_RESTART:
	case REBOOT_RESTART2: return power(POWER_RESET, "restarting");
	case REBOOT_HALT:
		/* There is no state between running and off to halt in. */
		return power(POWER_OFF, "halting");
	case REBOOT_POWER_OFF: return power(POWER_OFF, "powering off");
	/* REBOOT_CAD_ON and _OFF too: no keyboard raises it, so there is nothing to switch. */
	default: return syscall_refuse_flags(NR_reboot, command);
	}
}
SYSCALL(reboot);
