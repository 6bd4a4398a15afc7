/* SPDX-License-Identifier: Apache-2.0 */
/* What cgroup files say, in both versions; and what they should never say. */
#include "test.h"

#include <string.h>

#include "base/macro.h"
#include "vitals/cgroup-files.h"

#define TEXT(t) (t), strlen(t)

static struct vitals_memory unknown(void)
{
	struct vitals_memory m;

	memset(&m, 0xff, sizeof(m));
	return m;
}

/* Of 6.1, shortened by lines that say nothing to us. */
static const char stat_v2[] =
	"anon 4096000\nfile 8192000\nkernel 1000000\nkernel_stack 65536\npagetables 32768\nsec_pagetables 0\n"
	"percpu 9600\nsock 4096\nvmalloc 0\nshmem 1024000\nzswap 0\nzswapped 0\nfile_mapped 2048000\n"
	"file_dirty 12288\nfile_writeback 8192\nswapcached 0\nanon_thp 0\nfile_thp 0\nshmem_thp 0\n"
	"inactive_anon 5000000\nactive_anon 1\ninactive_file 4000000\nactive_file 3000000\nunevictable 77\n"
	"slab_reclaimable 500000\nslab_unreclaimable 300000\nslab 800000\nworkingset_refault_anon 3\n"
	"workingset_refault_file 4\nworkingset_activate_anon 0\npgscan 50\npgsteal 40\npgscan_kswapd 1\n"
	"pgscan_direct 49\npgfault 123456\npgmajfault 12\npgrefill 0\nthp_fault_alloc 0\n";

static void version_2(void **state)
{
	struct vitals_memory m = unknown();

	cgroup_files_stat_v2(TEXT(stat_v2), &m);
	assert_int_equal(m.anon, 4096000);
	assert_int_equal(m.file, 8192000);
	assert_int_equal(m.kernel, 1000000);
	assert_int_equal(m.sock, 4096);
	assert_int_equal(m.shmem, 1024000);
	assert_int_equal(m.mapped, 2048000);
	assert_int_equal(m.dirty, 12288);
	assert_int_equal(m.writeback, 8192);
	assert_int_equal(m.inactive_file, 4000000);
	assert_int_equal(m.active_file, 3000000);
	assert_int_equal(m.unevictable, 77);
	assert_int_equal(m.slab_reclaimable, 500000);
	assert_int_equal(m.slab_unreclaimable, 300000);
	assert_int_equal(m.refaults_anon, 3);
	assert_int_equal(m.refaults_file, 4);
	assert_int_equal(m.scanned, 50);
	assert_int_equal(m.reclaimed, 40);
	assert_int_equal(m.faults, 123456);
	assert_int_equal(m.major_faults, 12);
	/* Other files' members are not touched. */
	assert_true(m.limit == VITALS_UNKNOWN && m.current == VITALS_UNKNOWN && m.swap == VITALS_UNKNOWN);
}

/* Before 5.18 there is no sum of the kernel's; before 5.9 one kind of refault. */
static void older_version_2(void **state)
{
	struct vitals_memory m = unknown();

	cgroup_files_stat_v2(TEXT("kernel_stack 100\npagetables 20\npercpu 3\nslab 4000\nworkingset_refault 9\n"), &m);
	assert_int_equal(m.kernel, 4123);
	assert_int_equal(m.refaults_file, 9);
	m = unknown();
	cgroup_files_stat_v2(TEXT("anon 1\n"), &m);
	assert_true(m.kernel == VITALS_UNKNOWN);
	assert_true(m.refaults_file == VITALS_UNKNOWN);
}

static const char stat_v1[] =
	"cache 111\nrss 222\nrss_huge 0\nshmem 333\nmapped_file 0\ndirty 1\nwriteback 1\npgfault 9\nactive_file 8\n"
	"hierarchical_memory_limit 268435456\nhierarchical_memsw_limit 9223372036854771712\ntotal_cache 1000\n"
	"total_rss 2000\ntotal_rss_huge 0\ntotal_shmem 300\ntotal_mapped_file 40\ntotal_dirty 5\ntotal_writeback 6\n"
	"total_workingset_refault_anon 7\ntotal_workingset_refault_file 8\ntotal_swap 9\ntotal_pgfault 10\n"
	"total_pgmajfault 11\ntotal_inactive_anon 12\ntotal_active_anon 13\ntotal_inactive_file 14\n"
	"total_active_file 15\ntotal_unevictable 16\n";

static void version_1(void **state)
{
	struct vitals_memory m = unknown();
	uint64_t hierarchical = 0;

	cgroup_files_stat_v1(TEXT(stat_v1), &m, &hierarchical);
	assert_int_equal(hierarchical, 268435456);
	assert_int_equal(m.file, 1000);
	assert_int_equal(m.anon, 2000);
	assert_int_equal(m.shmem, 300);
	assert_int_equal(m.mapped, 40);
	assert_int_equal(m.dirty, 5);
	assert_int_equal(m.writeback, 6);
	assert_int_equal(m.refaults_anon, 7);
	assert_int_equal(m.refaults_file, 8);
	assert_int_equal(m.swap, 9);
	assert_int_equal(m.faults, 10);
	assert_int_equal(m.major_faults, 11);
	assert_int_equal(m.inactive_file, 14);
	assert_int_equal(m.active_file, 15);
	assert_int_equal(m.unevictable, 16);
	assert_true(m.slab_reclaimable == VITALS_UNKNOWN && m.scanned == VITALS_UNKNOWN);
	cgroup_files_stat_v1(TEXT("hierarchical_memory_limit 9223372036854771712\n"), &m, &hierarchical);
	assert_true(hierarchical == VITALS_UNKNOWN);
	cgroup_files_stat_v1(TEXT(""), &m, &hierarchical);
	assert_true(hierarchical == VITALS_UNKNOWN);
}

static void numbers(void **state)
{
	assert_int_equal(cgroup_files_number(TEXT("0\n")), 0);
	assert_int_equal(cgroup_files_number(TEXT("4096")), 4096);
	assert_true(cgroup_files_number(TEXT("max\n")) == VITALS_UNKNOWN);
	/* v1's "none", with pages of 4 and of 64 KiB. */
	assert_true(cgroup_files_number(TEXT("9223372036854771712\n")) == VITALS_UNKNOWN);
	assert_true(cgroup_files_number(TEXT("9223372036854710272\n")) == VITALS_UNKNOWN);
	assert_true(cgroup_files_number(TEXT("")) == VITALS_UNKNOWN);
	assert_true(cgroup_files_number(TEXT("\n12")) == VITALS_UNKNOWN);
	assert_true(cgroup_files_number(TEXT("-1\n")) == VITALS_UNKNOWN);
	assert_true(cgroup_files_number(TEXT("12x\n")) == VITALS_UNKNOWN);
	assert_true(cgroup_files_number(TEXT("99999999999999999999999\n")) == VITALS_UNKNOWN);
	assert_true(cgroup_files_number(TEXT("18446744073709551615\n")) == VITALS_UNKNOWN);
	/* The text may go on beyond its length. */
	assert_int_equal(cgroup_files_number("1234", 2), 12);
}

static void events(void **state)
{
	struct vitals_memory m = unknown();

	cgroup_files_events(TEXT("low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n"), &m);
	assert_int_equal(m.high_events, 2);
	assert_int_equal(m.max_events, 3);
	assert_int_equal(m.oom_kills, 5);
	cgroup_files_oom_control(TEXT("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), &m);
	assert_int_equal(m.oom_kills, 7);
	assert_int_equal(m.max_events, 3);
}

static void cpu_and_io(void **state)
{
	struct vitals_cpu cpu;
	struct vitals_io io = { 0 };

	memset(&cpu, 0xff, sizeof(cpu));
	cgroup_files_cpu(TEXT("usage_usec 3\nuser_usec 2\nsystem_usec 1\nnr_periods 9\nnr_throttled 4\n"
			      "throttled_usec 5\n"), &cpu);
	assert_int_equal(cpu.usage_ns, 3000);
	assert_int_equal(cpu.user_ns, 2000);
	assert_int_equal(cpu.system_ns, 1000);
	assert_int_equal(cpu.throttled, 4);
	assert_int_equal(cpu.throttled_ns, 5000);
	cgroup_files_io(TEXT("8:0 rbytes=10 wbytes=20 rios=3 wios=4 dbytes=5 dios=6\n254:0\n"
			     "254:16 rbytes=1 wbytes=2 rios=1 wios=1 cost.usage=9\n"), &io);
	assert_int_equal(io.read_bytes, 11);
	assert_int_equal(io.write_bytes, 22);
	assert_int_equal(io.reads, 4);
	assert_int_equal(io.writes, 5);
	cgroup_files_blkio(TEXT("8:0 Read 100\n8:0 Write 200\n8:0 Sync 1\n8:0 Total 300\n8:16 Read 1\nTotal 301\n"),
			   false, &io);
	cgroup_files_blkio(TEXT("8:0 Read 7\n8:0 Write 8\n"), true, &io);
	assert_int_equal(io.read_bytes, 101);
	assert_int_equal(io.write_bytes, 200);
	assert_int_equal(io.reads, 7);
	assert_int_equal(io.writes, 8);
}

static void pressure(void **state)
{
	struct vitals_stall s;

	memset(&s, 0xff, sizeof(s));
	assert_true(cgroup_files_pressure(TEXT("some avg10=1.23 avg60=100.00 avg300=0.07 total=123456\n"
					       "full avg10=0.50 avg60=0.00 avg300=0.00 total=99\n"), &s));
	assert_int_equal(s.some10, 123);
	assert_int_equal(s.some60, 10000);
	assert_int_equal(s.some300, 7);
	assert_int_equal(s.some_us, 123456);
	assert_int_equal(s.full10, 50);
	assert_int_equal(s.full_us, 99);
	/* The CPU's has had no second line for long. */
	memset(&s, 0xff, sizeof(s));
	assert_true(cgroup_files_pressure(TEXT("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"), &s));
	assert_true(s.full10 == VITALS_UNKNOWN && s.full_us == VITALS_UNKNOWN);
	memset(&s, 0xff, sizeof(s));
	assert_false(cgroup_files_pressure(TEXT(""), &s));
	assert_true(cgroup_files_pressure(TEXT("some avg10=1.2 avg60=300.00 avg300=x total=-1 avg10\n"), &s));
	assert_true(s.some10 == VITALS_UNKNOWN && s.some60 == VITALS_UNKNOWN && s.some300 == VITALS_UNKNOWN &&
		    s.some_us == VITALS_UNKNOWN);
}

static void meminfo(void **state)
{
	struct vitals_host h;

	memset(&h, 0xff, sizeof(h));
	cgroup_files_meminfo(TEXT("MemTotal:       1000 kB\nMemFree:  500 kB\nMemAvailable:\t600 kB\nBuffers: 1 kB\n"
				  "SwapFree: 0 kB\nDirty: 3 kB\nWriteback: 4 kB\nWritebackTmp: 9 kB\n"), &h);
	assert_int_equal(h.total, 1024000);
	assert_int_equal(h.free, 512000);
	assert_int_equal(h.available, 614400);
	assert_int_equal(h.dirty, 3072);
	assert_int_equal(h.writeback, 4096);
	assert_int_equal(h.swap_free, 0);
}

/* Nothing of that may change a member, or read beyond the text. */
static void odd(void **state)
{
	static const char *const texts[] = {
		"anon\n", "anon \n", "anon x\n", "anon -5\n", "anon 1.5\n", "anon 99999999999999999999\n", " \n",
		"\n\n\n",
		"anonymous 5\n", "an 5\n", "ANON 5\n", "anon=5\n", "\xff\xfe\x80 5\n", "anon 18446744073709551615\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct vitals_memory m = unknown();
		struct vitals_memory before = m;

		cgroup_files_stat_v2(TEXT(texts[i]), &m);
		assert_memory_equal(&m, &before, sizeof(m));
	}
	/* NUL bytes, and a line without an end. */
	struct vitals_memory m = unknown();
	cgroup_files_stat_v2("\0\0\nanon 7\nfile 8", 16, &m);
	assert_int_equal(m.anon, 7);
	assert_int_equal(m.file, 8);
	/* Too large for nanoseconds: as if it were not there. */
	struct vitals_cpu cpu = { .usage_ns = VITALS_UNKNOWN };
	cgroup_files_cpu(TEXT("usage_usec 18446744073709551614\n"), &cpu);
	assert_true(cpu.usage_ns == VITALS_UNKNOWN);
	struct vitals_io io;
	cgroup_files_io(TEXT("1:1 rbytes=18446744073709551614\n1:2 rbytes=5\n"), &io);
	assert_true(io.read_bytes == VITALS_UNKNOWN - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_2),  cmocka_unit_test(older_version_2), cmocka_unit_test(version_1),
		cmocka_unit_test(numbers),    cmocka_unit_test(events),		 cmocka_unit_test(cpu_and_io),
		cmocka_unit_test(pressure),   cmocka_unit_test(meminfo),	 cmocka_unit_test(odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
