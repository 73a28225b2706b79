#!/bin/sh
# SPDX-License-Identifier: MIT
# soak.sh ROUNDS WARM: rounds of twenty mixed commands; prints all counters after WARM of them and at the end, for
# soak_test.py to compare.

counters() {
	# What ended a moment ago is still being put away, on a busy host for a while: until nothing changes any more.
	same=0 last=
	for turn in $(seq 100); do
		echo 3 > /proc/sys/vm/drop_caches
		sleep 0.2
		now=$(cat /proc/components)
		[ "$now" = "$last" ] && same=$((same + 1)) || same=0
		[ $same -eq 4 ] && break
		last=$now
	done
	echo "counters $1"
	cat /proc/components /proc/meminfo
	echo "file-nr $(cat /proc/sys/fs/file-nr)"
	echo "loadavg $(cat /proc/loadavg)"
	echo "counters end"
}

quiet() {
	"$@" > /dev/null 2>&1 < /dev/null
}

one_round() {
	quiet ls -lR /proc/self/
	quiet sh -c 'cat /proc/$$/maps /proc/$$/status /proc/$$/stat /proc/$$/mounts; readlink /proc/$$/exe; ls -l /proc/$$/fd'
	ps > /dev/null
	seq 1 300 | sort -rn | uniq | wc -l > /dev/null
	dd if=/dev/zero of=/tmp/block bs=4k count=64 2> /dev/null
	cp /tmp/block /tmp/copy && cmp /tmp/block /tmp/copy && rm /tmp/block /tmp/copy
	mkdir -p /tmp/tree/a/b && echo text > /tmp/tree/a/b/file && mv /tmp/tree/a /tmp/tree/c && rm -r /tmp/tree
	mount -t tmpfs -o size=64k none /mnt && echo x > /mnt/x && umount /mnt
	mount --bind /tmp /mnt && (cd /mnt && true) && umount -l /mnt
	sleep 60 & kill $! ; wait $! 2> /dev/null
	sh -c 'sleep 60 & kill -STOP $!; kill -CONT $!; kill -KILL $!; wait' 2> /dev/null
	(cd /tmp; ln -s nowhere link; readlink link > /dev/null; mkfifo fifo; rm link fifo)
	quiet find /etc -type f
	quiet tar -cf - /etc
	quiet test -x /no/such/file
	quiet sh -c 'exec 3<> /dev/ptmx; exec 4< /proc/self/fd/3; exec /bin/true'
	quiet sh -c 'cat /proc/[0-9]*/stat /proc/[0-9]*/comm; df; free; dmesg'
	quiet sh -c 'trap : USR1; kill -USR1 $$; kill -USR2 $$'
	quiet sh -c 'false | true; (exec 9< /etc/passwd; read line <&9)'
	[ $((round % 3)) -eq 0 ] && quiet /soak/$((round / 3 % 8))
}

rounds=$1 warm=$2 round=0
# These take more time than all the rest: all of them once, so that nothing is new later, and then one in every third round.
for program in /soak/[0-7]; do
	quiet $program
done
while [ $round -lt $rounds ]; do
	[ $round -eq $warm ] && counters before
	one_round
	round=$((round + 1))
	[ $((round % 20)) -eq 0 ] && echo "round $round"
done
counters after
