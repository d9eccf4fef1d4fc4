/* The first process of a container that waits. It becomes what its arguments say when it gets signal 50, as execvp(3) would,
 * with the signal mask that it was started with; TERM and INT end it.
 *
 * Its machine code stands in waiting.py, and a test compares. There is no library and no data, just one section:
 *   gcc -Os -static -nostdlib -ffreestanding -fpic -fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables
 *       -fcf-protection=none -fno-toplevel-reorder -Wl,--build-id=none waiting.c -o waiting
 *   objcopy -O binary --only-section=.text waiting
 */

#include <asm/unistd.h>

#define GO 50
#define BIT(signal) (1ul << (signal - 1))

typedef unsigned long word;

#ifdef __x86_64__
__asm__(".globl _start; _start: mov %rsp, %rdi; jmp run");

static inline long call(long number, word a, word b, word c, word d)
{
    register word fourth __asm__("r10") = d;
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
    return number;
}
#else
__asm__(".globl _start; _start: mov x0, sp; b run");

static inline long call(long number, word a, word b, word c, word d)
{
    register long which __asm__("x8") = number;
    register word first __asm__("x0") = a;
    register word second __asm__("x1") = b;
    register word third __asm__("x2") = c;
    register word fourth __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(first) : "r"(which), "r"(second), "r"(third), "r"(fourth) : "memory");
    return first;
}
#endif

static inline void become(char **argv, char **envp)
{
    char path[4096], *name = argv[0], *list = 0;
    for (char *at = name; *at; at++)
        if (*at == '/') {
            call(__NR_execve, (word)name, (word)argv, (word)envp, 0);
            return;
        }
    for (char **one = envp; *one; one++)
        if ((*one)[0] == 'P' && (*one)[1] == 'A' && (*one)[2] == 'T' && (*one)[3] == 'H' && (*one)[4] == '=')
            list = *one + 5;
    while (list && *list) {
        char *to = path, *end = path + sizeof path - 2, *folder = list;
        for (; *list && *list != ':'; list++)
            if (to < end)
                *to++ = *list;
        *to++ = '/';
        for (char *at = name; *at && to <= end; at++)
            *to++ = *at;
        *to = 0;
        if (to < end && *folder != ':')
            call(__NR_execve, (word)path, (word)argv, (word)envp, 0);
        list += *list == ':';
    }
}

__attribute__((used, visibility("hidden"))) void run(word *stack)
{
    char **argv = (char **)(stack + 1);
    word heard = BIT(GO) | BIT(15) | BIT(2), before;
    long signal;
    call(__NR_rt_sigprocmask, 0, (word)&heard, (word)&before, sizeof heard);
    do
        signal = call(__NR_rt_sigtimedwait, (word)&heard, 0, 0, sizeof heard);
    while (signal < 0);
    if (signal == GO && stack[0] > 1) {
        call(__NR_rt_sigprocmask, 2, (word)&before, 0, sizeof before);
        become(argv + 1, argv + stack[0] + 1);
    }
    call(__NR_exit, signal == GO ? 127 : 0, 0, 0, 0);
    __builtin_unreachable();
}
