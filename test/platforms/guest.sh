# Guests: kernels of Debian, and a root in memory. Sourced after lib.sh.
limit=900 # seconds that a guest may run, unless LIMIT says otherwise: its host may have other things to do

declare -A of_release=([5.10]=bullseye [6.1]=bookworm [6.12]=trixie)

# What of a kernel's modules a gate can need: folders and files.
parts="net crypto lib arch/x86/crypto arch/x86/lib drivers/block/nbd.ko
	drivers/net/*.ko drivers/net/bonding drivers/net/ipvlan drivers/net/ppp drivers/net/slip fs/ext4 fs/jbd2 fs/mbcache.ko"

# fetch prints the folder with kernel and modules of a version, of which Debian's
# latest is taken. It is kept for a week, unless other parts are wanted meanwhile.
fetch() {
	local to=$cache/kernel-$1 name version parcels
	if [ "$(find "$to/complete" -mtime -7 -exec cat {} + 2>/dev/null)" != "$parts" ]; then
		{ lists && name=$(newest "$1") && [ -n "$name" ]; } || return
		version=${name#linux-image-} parcels=("$name")
		# Since 7.0 image and modules are packages of their own.
		kapt apt-cache show "linux-modules-$version" >/dev/null 2>&1 && parcels+=("linux-binary-$version" "linux-modules-$version")
		rm -rf "$to" && mkdir -p "$to/debs" "$to/x" || return
		(cd "$to/debs" && kapt apt-get download -qq "${parcels[@]}" >&2) || return
		for deb in "$to"/debs/*.deb; do dpkg -x "$deb" "$to/x" || return; done
		modules "$to" && rm -rf "$to/x" "$to/debs" && echo "$parts" >"$to/complete" || return
	fi
	echo "$to"
}

# newest prints the name of the package with the latest kernel of a version.
newest() {
	local v=${1/newest/[0-9]+.[0-9]+}
	kapt apt-cache search --names-only "^linux-image-$v\.[0-9.-]*[0-9](\+deb[0-9]*)?(-[0-9]+)?-amd64$" |
		awk '{ print $1 }' | grep -v '+deb11' | sort -V | tail -n 1
}

# modules lays out the parts of an unpacked kernel.
modules() {
	local to=$1 from version d
	cp "$(find "$to/x" -name 'vmlinuz*' -type f | head -n 1)" "$to/vmlinuz"
	from=$(dirname "$(find "$to/x" -type d -path '*/modules/*/kernel' | head -n 1)")
	version=$(basename "$from")
	mkdir -p "$to/root/lib/modules/$version/kernel"
	for d in $parts; do # some kernels have some of them built in
		(cd "$from/kernel" && { find $d* -name '*.ko*' 2>/dev/null || true; } | cpio -pdm --quiet "$to/root/lib/modules/$version/kernel") || return
	done
	(cd "$to/root/lib/modules/$version/kernel/net" && rm -rf bluetooth mac80211 wireless sunrpc ceph can tipc nfc batman-adv ieee802154 mac802154 rds smc rxrpc openvswitch)
	find "$to/root" -name '*.xz' -exec xz -d {} +
	find "$to/root" -name '*.zst' -exec zstd -q -d --rm {} +
	find "$to/x" -name 'modules.builtin*' -o -name modules.order | xargs -r cp -t "$to/root/lib/modules/$version/"
	depmod -b "$to/root" "$version"
	echo "$version" >"$to/version"
	(cd "$to/root" && find . | cpio -o -H newc --quiet >"$to/initrd") && rm -rf "$to/root"
}

# guest lays out a root: busybox, programs of this machine with their libraries, and sallyport.
guest() {
	local root=$1 p file
	mkdir -p "$root"/{bin,sbin,usr/bin,proc,sys,dev,tmp,run,etc,root,src,var/lib}
	cp "$(command -v busybox)" "$root/bin/busybox"
	for p in $(busybox --list); do ln -s busybox "$root/bin/$p" 2>/dev/null || true; done
	for p in bash nft ip nc kmod mke2fs; do
		file=$(command -v $p)
		rm -f "$root/bin/$p"
		cp -L "$file" "$root/usr/bin/$p"
		ldd "$file" | grep -o '/[^ ]*' | while read -r lib; do
			mkdir -p "$root$(dirname "$lib")" && cp -L "$lib" "$root$lib"
		done
	done
	ln -s ../usr/bin/kmod "$root/sbin/modprobe"
	ln -s ../usr/bin/bash "$root/bin/bash"
	echo root:x:0:0:root:/root:/bin/sh >"$root/etc/passwd"
	echo root:x:0: >"$root/etc/group"
	cp /etc/protocols /etc/services "$root/etc/" # how nft writes names
	cp "$source/test/platforms/guest" "$root/init"
	cp "$source"/test/platforms/knock "$root/"
	(cd "$source" && CGO_ENABLED=0 go build -trimpath -o "$root/bin/sallyport" ./cmd/sallyport)
}

# program puts the tests of a package, with their data, where its source would
# be: wherever the house has that room.
program() {
	local room to
	room=$(cd "$source/internal" && find . -type d -name "$1") && to=$2/src/internal/$1
	mkdir -p "$to"
	(cd "$source" && CGO_ENABLED=0 go test -c -o "$to/test" "./internal/$room")
	cp -r "$source/internal/$room/testdata" "$to/" 2>/dev/null || true
}

# boot runs a guest until it ends, with words for its init and its kernel. An
# emulated processor that its host does not run for a while is no lockup: the
# kernel's watchdog waits for two minutes.
boot() {
	local kernel=$1 root=$2 words=$3
	(cat "$kernel/initrd" && cd "$root" && find . | cpio -o -H newc --quiet) >"$root.initrd"
	timeout --signal=KILL "${LIMIT:-$limit}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1536 -display none -vga none -no-reboot -nic none \
		-kernel "$kernel/vmlinuz" -initrd "$root.initrd" -append "console=ttyS0 panic=-1 quiet loglevel=3 mitigations=off watchdog_thresh=60 limit=${LIMIT:-$limit} $words" \
		-serial stdio </dev/null 2>&1 | stdbuf -o0 tr -d '\r'
}
