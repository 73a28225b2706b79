#!/bin/sh
# SPDX-License-Identifier: MIT
# net.sh WEB LISTENER: reaches the host by TCP/IP over a network card, for net_test.py, which listens at these two ports. The card's
# address comes by itself: what waits for it here ends when it is there.

until [ -s /etc/resolv.conf ]; do sleep 0.1; done
echo "address $(ifconfig eth0 | sed -n 's/.*inet addr:\([0-9.]*\) .*Mask:\([0-9.]*\).*/\1 \2/p')"
echo "route $(route -n | awk '$1 == "0.0.0.0" { print $2, $8 }')"
echo "resolv $(tr '\n' ' ' < /etc/resolv.conf)"
echo "clients $(pidof udhcpc | wc -w)"
ping -c 3 10.0.2.2 > /dev/null
echo "ping $?"
# ip(8) asks by netlink.
echo "ip addr $(ip -4 addr show dev eth0 | awk '$1 == "inet" { print $2, $4, $NF }')"
echo "ip route $(ip route | awk '$1 == "default" { print $3, $5 }') $(ip route | grep -c '^10.0.2.0/24 dev eth0')"
echo "ip neigh $(ip neigh show 10.0.2.2 | awk '{ print $1, $3, $5 }')"
ip link set eth0 mtu 1400
echo "ip link set $? $(cat /sys/class/net/eth0/mtu)"
ip route add 198.51.100.0/24 via 10.0.2.2
echo "ip route add $? $(ip route | grep -c '^198.51.100.0/24 via 10.0.2.2 dev eth0')"
ip route del 198.51.100.0/24
echo "ip route del $? $(ip route | grep -c '^198.51.100.0/24')"
ip addr add 203.0.113.1/24 dev lo 2> /dev/null
echo "second address $?"
ip link set eth0 mtu 1500
# Whoever reads lets the window fill first.
for turn in 1 2 3; do
	wget -q -O - "http://10.0.2.2:$1/$turn" | (sleep 1; md5sum) | sed "s/^/fetched $turn /"
done
wget -q -O /tmp/whole "http://10.0.2.2:$1/whole"
echo "sent $(nc 10.0.2.2 "$2" < /tmp/whole)"
# By name, which the test's own server at 10.0.2.100 knows; it is reached by TCP alone.
printf 'nameserver 10.0.2.100\noptions use-vc\n' > /etc/resolv.conf
ping -c 1 host.test > /dev/null
echo "ping by name $?"
wget -q -O - "http://host.test:$1/named" | md5sum | sed 's/^/named /'
ping -c 1 nobody.test > /dev/null 2>&1
echo "no such name $?"
nc 10.0.2.2 1 < /dev/null 2> /dev/null
echo "refused $?"
# What a server says that does not say how large the network is.
interface=eth0 ip=10.0.2.15 router=10.0.2.2 dns=10.0.2.3 /etc/udhcpc/default.script bound
echo "alone $(ifconfig eth0 | sed -n 's/.*Mask:\([0-9.]*\).*/\1/p')"
ping -c 1 10.0.2.2 > /dev/null
echo "ping alone $?"
echo "faults $(awk '$1 ~ /^(virtio_net|netdev|packet|inet)$/ { n += $6 } END { print n + 0 }' /proc/components)"
