#!/bin/sh
# SPDX-License-Identifier: MIT
# net.sh WEB LISTENER: reaches the host by TCP/IP over a network card, for net_test.py, which listens at these two ports.

ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up && route add default gw 10.0.2.2
echo "set $?"
ping -c 3 10.0.2.2 > /dev/null
echo "ping $?"
# Whoever reads lets the window fill first.
for turn in 1 2 3; do
	wget -q -O - "http://10.0.2.2:$1/$turn" | (sleep 1; md5sum) | sed "s/^/fetched $turn /"
done
wget -q -O /tmp/whole "http://10.0.2.2:$1/whole"
echo "sent $(nc 10.0.2.2 "$2" < /tmp/whole)"
nc 10.0.2.2 1 < /dev/null 2> /dev/null
echo "refused $?"
echo "faults $(awk '$1 ~ /^(virtio_net|netdev|inet)$/ { n += $6 } END { print n + 0 }' /proc/components)"
