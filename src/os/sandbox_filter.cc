#include "os/sandbox_filter.h"

#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace mk::os {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "name this architecture for seccomp"
#endif

constexpr long kDenied[] = {
    // mounts and namespaces
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_unshare, SYS_setns, SYS_open_tree, SYS_move_mount, SYS_fsopen,
    SYS_fsmount, SYS_fsconfig, SYS_fspick, SYS_mount_setattr, SYS_chroot, SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    // other processes
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_getfd,
    // large or young parts of the kernel
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
    SYS_keyctl, SYS_add_key, SYS_request_key, SYS_fanotify_init,
    // memory that no limit of ours counts
    SYS_memfd_create, SYS_memfd_secret, SYS_shmget,
    // the machine
    SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_swapon,
    SYS_swapoff, SYS_acct, SYS_quotactl, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex,
    SYS_sethostname, SYS_setdomainname, SYS_syslog, SYS_vhangup, SYS_nfsservctl, SYS_lookup_dcookie, SYS_personality,
};

constexpr uint32_t kNamespaceFlags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                                     CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWTIME;

sock_filter statement(uint16_t code, uint32_t value) { return {code, 0, 0, value}; }
sock_filter jump(uint16_t code, uint32_t value, uint8_t if_true, uint8_t if_false) {
  return {code, if_true, if_false, value};
}
sock_filter load(size_t offset) {
  return statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter answer(uint32_t what) { return statement(BPF_RET | BPF_K, what); }
uint32_t error(int number) { return SECCOMP_RET_ERRNO | static_cast<uint32_t>(number); }

}  // namespace

std::vector<sock_filter> make_system_call_filter(bool network) {
  constexpr size_t kNumber = offsetof(seccomp_data, nr), kArch = offsetof(seccomp_data, arch),
                   kFirstArgument = offsetof(seccomp_data, args);
  std::vector<sock_filter> out;
  out.push_back(load(kArch));
  out.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
  out.push_back(answer(SECCOMP_RET_KILL_PROCESS));
  out.push_back(load(kNumber));
#if defined(__x86_64__)
  out.push_back(jump(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1));  // the x32 numbers, which would pass by the list
  out.push_back(answer(error(ENOSYS)));
#endif
  for (const long number : kDenied) {
    out.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1));
    out.push_back(answer(error(EPERM)));
  }
  // clone3 keeps its flags in memory, where a filter cannot look; the C library then uses clone.
  out.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
  out.push_back(answer(error(ENOSYS)));
  out.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
  out.push_back(load(kFirstArgument));
  out.push_back(jump(BPF_JMP | BPF_JSET | BPF_K, kNamespaceFlags, 0, 1));
  out.push_back(answer(error(EPERM)));
  out.push_back(answer(SECCOMP_RET_ALLOW));
  const uint32_t families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
  const size_t allowed = network ? std::size(families) : std::size(families) - 1;
  out.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, static_cast<uint8_t>(2 * allowed + 2)));
  out.push_back(load(kFirstArgument));
  for (size_t i = 0; i < allowed; ++i) {
    out.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, families[i], 0, 1));
    out.push_back(answer(SECCOMP_RET_ALLOW));
  }
  out.push_back(answer(error(EAFNOSUPPORT)));
  out.push_back(answer(SECCOMP_RET_ALLOW));
  return out;
}

}  // namespace mk::os
