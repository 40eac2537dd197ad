//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum/client"
)

// guest is a machine in QEMU with a disk on which the service runs.
type guest struct {
	dir      string // of images and logs
	kernel   string // directory of Debian's kernel package
	postgres string // directory of PostgreSQL's programs in the guest; empty: SQLite
	box      *box   // what the disk was made of
	service  string // host:port on this machine
	database string
	console  *os.File
	machine  *process
}

func (g *guest) disk() string { return filepath.Join(g.dir, "disk.img") }
func (g *guest) live() string { return filepath.Join(g.dir, "live.img") }
func (g *guest) log() string  { return filepath.Join(g.dir, "writes.log") }

// drivers are the modules that the guest needs, in the order in which they are loaded.
var drivers = []string{"virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "failover", "net_failover", "virtio_net"}

// initScript is the first process of the guest.
const initScript = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for m in %s; do [ ! -e /$m.ko ] || insmod /$m.ko; done
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
mount -t ext4 /dev/vda /disk || { echo "the disk cannot be mounted"; poweroff -f; }
mount -t devtmpfs dev /disk/dev
mkdir -p /disk/dev/shm
mount -t tmpfs shm /disk/dev/shm
mount -t proc proc /disk/proc
mount -t tmpfs tmp /disk/tmp
chroot /disk /bin/busybox sh /start
echo "the service ended"
poweroff -f
`

// startScript starts PostgreSQL, if there is one, and the service.
const startScript = `
data=%q
if [ -n "$data" ]; then
	chmod 1777 /tmp /dev/shm
	rm -f $data/postmaster.pid
	su -s /bin/sh postgres -c "%s/postgres -D $data -h 0.0.0.0 -c unix_socket_directories=/tmp" >>/postgres.log 2>&1 &
fi
while [ -n "$data" ] && ! %s/pg_isready -q -h 127.0.0.1; do
	kill -0 $! || { cat /postgres.log; exit; }
	sleep 0.2
done
exec /signum sandbox --dir /box --addr 0.0.0.0:8443 --min-timeout 1s --phone-delay 100ms --log warn %s
`

// build makes the initial RAM disk, and the disk from a directory.
func (g *guest) build(ctx context.Context, root string, megabytes int) error {
	ram := filepath.Join(g.dir, "ram")
	for _, d := range []string{"bin", "proc", "sys", "dev", "disk"} {
		if err := os.MkdirAll(filepath.Join(ram, d), 0o755); err != nil {
			return err
		}
	}
	for _, name := range drivers {
		found, err := filepath.Glob(filepath.Join(g.kernel, "lib/modules/*/kernel/drivers/*", name+".ko"))
		if more, _ := filepath.Glob(filepath.Join(g.kernel, "lib/modules/*/kernel/net/core", name+".ko")); len(found) == 0 {
			found = more
		}
		if err != nil || len(found) != 1 {
			return fmt.Errorf("%s has no module %s", g.kernel, name)
		}
		if err := copyFile(ctx, found[0], ram); err != nil {
			return err
		}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	if err := errors.Join(copyFile(ctx, busybox, filepath.Join(ram, "bin")),
		os.WriteFile(filepath.Join(ram, "init"), fmt.Appendf(nil, initScript, strings.Join(drivers, " ")), 0o755)); err != nil {
		return err
	}
	pack := exec.CommandContext(ctx, "sh", "-c", "find . | busybox cpio -o -H newc | gzip -1 >../ram.gz")
	pack.Dir = ram
	if out, err := pack.CombinedOutput(); err != nil {
		return fmt.Errorf("the RAM disk: %w: %s", err, out)
	}
	format := exec.CommandContext(ctx, cmp.Or(lookPath("mkfs.ext4"), "/usr/sbin/mkfs.ext4"), "-q", "-F", "-d", root, g.disk(), fmt.Sprintf("%dM", megabytes))
	if out, err := format.CombinedOutput(); err != nil {
		return fmt.Errorf("the disk: %w: %s", err, out)
	}
	return nil
}

func lookPath(name string) string {
	path, _ := exec.LookPath(name)
	return path
}

// copyFile copies a file or directory as it is.
func copyFile(ctx context.Context, from, to string) error {
	if out, err := exec.CommandContext(ctx, "cp", "-a", "--sparse=always", "--reflink=auto", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// boot switches the machine on, with a copy of the disk and an empty log of its writes.
func (g *guest) boot(ctx context.Context) error {
	if err := errors.Join(copyFile(ctx, g.disk(), g.live()), os.WriteFile(g.log(), nil, 0o600)); err != nil {
		return err
	}
	image, err := filepath.Glob(filepath.Join(g.kernel, "boot/vmlinuz-*"))
	if err != nil || len(image) != 1 {
		return fmt.Errorf("%s has no kernel", g.kernel)
	}
	forward := fmt.Sprintf("user,id=net,hostfwd=tcp:%s-:8443,hostfwd=tcp:%s-:5432", g.service, g.database)
	// On a busy machine the kernel would find its timer too slow, and panic.
	kernel := "console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check"
	args := []string{
		"-nodefaults", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
		"-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
		"-kernel", image[0], "-initrd", filepath.Join(g.dir, "ram.gz"), "-append", kernel,
		"-blockdev", "driver=file,node-name=diskfile,filename=" + g.live(),
		"-blockdev", "driver=raw,node-name=rawdisk,file=diskfile",
		"-blockdev", "driver=file,node-name=logfile,filename=" + g.log(),
		"-blockdev", "driver=raw,node-name=rawlog,file=logfile",
		"-blockdev", "driver=blklogwrites,node-name=disk,file=rawdisk,log=rawlog",
		"-device", "virtio-blk-pci,drive=disk",
		"-netdev", forward, "-device", "virtio-net-pci,netdev=net,romfile=",
	}
	g.machine, err = launch(g.console, "qemu-system-x86_64", args...)
	return err
}

// bootTime is how long the emulated machine may take until the service is ready.
const bootTime = 5 * time.Minute

// ready waits until the service in the machine is ready.
func (g *guest) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	_, err := g.machine.said(ctx, "ready ")
	if err != nil {
		return fmt.Errorf("%w; see %s", err, g.console.Name())
	}
	return nil
}

func (g *guest) configs() []client.Config { return g.box.configs() }
func (g *guest) prefix() string           { return g.box.prefix() }
func (g *guest) crowd() []kind            { return g.box.crowd() }

func (g *guest) connections(h2 bool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: g.box.party.Config.TLS.Clone(),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, g.service)
		},
		TLSHandshakeTimeout: 10 * time.Second, // the forwarding takes connections before the guest does
		MaxIdleConnsPerHost: 256,
		ForceAttemptHTTP2:   h2,
	}}
}

// libraries returns the files that a program needs to run.
func libraries(ctx context.Context, program string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "ldd", program).Output()
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w", program, err)
	}
	var all []string
	for word := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(word, "/") && !slices.Contains(all, word) {
			all = append(all, word)
		}
	}
	return all, nil
}

// fetch reads a database of SQLite from the disk of a machine that is off.
func (g *guest) fetch(ctx context.Context, path, to string) error {
	// It brings the file system into order, as the machine would at its next start, and
	// ends with 1 if there was something to do.
	check := exec.CommandContext(ctx, cmp.Or(lookPath("e2fsck"), "/usr/sbin/e2fsck"), "-p", g.disk())
	if out, err := check.CombinedOutput(); err != nil && check.ProcessState.ExitCode() != 1 {
		return fmt.Errorf("e2fsck: %w: %s", err, out)
	}
	for _, suffix := range []string{"", "-wal"} {
		dump := exec.CommandContext(ctx, cmp.Or(lookPath("debugfs"), "/usr/sbin/debugfs"), "-R", fmt.Sprintf("dump %s%s %s%s", path, suffix, to, suffix), g.disk())
		if out, err := dump.CombinedOutput(); err != nil {
			return fmt.Errorf("debugfs: %w: %s", err, out)
		}
	}
	return nil
}
