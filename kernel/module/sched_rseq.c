// SPDX-License-Identifier: GPL-2.0
/*
 * In-kernel restartable sequences: the tables of modules.
 */
#define pr_fmt(fmt) "sched_rseq: " fmt

#include <linux/module.h>
#include <linux/module_symbol.h>
#include <linux/rcupdate.h>
#include <linux/sched_rseq.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include "internal.h"
#include "sched_rseq.h"

static int cmp_entry(const void *a, const void *b)
{
	unsigned long begin_a = sched_rseq_begin(a);
	unsigned long begin_b = sched_rseq_begin(b);

	if (begin_a < begin_b)
		return -1;
	return begin_a > begin_b;
}

static void swap_entry(void *a, void *b, int size)
{
	struct sched_rseq_entry *x = a, *y = b, tmp = *x;
	int delta = b - a;

	*x = *y;
	x->begin = y->begin + delta;
	*y = tmp;
	y->begin = tmp.begin - delta;
}

/* This is the common case: the assembler emits descriptors in the order of the text. */
static bool is_sorted(const struct sched_rseq_entry *entries, unsigned int nr)
{
	for (unsigned int i = 1; i < nr; i++) {
		if (sched_rseq_begin(entries + i) < sched_rseq_begin(entries + i - 1))
			return false;
	}
	return true;
}

/*
 * The table of a loaded module does not change, because an interrupt reads it
 * without a lock. Descriptors of freed init text stay as well. They do no harm: a
 * table is only searched for addresses in its module's text.
 */
struct sched_rseq_table sched_rseq_table_of(const struct module *mod)
{
	return (struct sched_rseq_table) {
		.entries = mod->sched_rseq,
		.nr = mod->num_sched_rseq,
	};
}

/*
 * Return the part of a module's text that contains @addr, or NULL. Not inline: each
 * copy would take 200 bytes.
 */
static noinline const struct module_memory *text_at(const struct module *mod, unsigned long addr)
{
	for_each_mod_mem_type(type) {
		if (mod_mem_type_is_text(type) && within_module_mem_type(addr, mod, type))
			return &mod->mem[type];
	}
	return NULL;
}

bool sched_rseq_was_freed(const struct module *mod, const struct sched_rseq_entry *entry)
{
	return !text_at(mod, sched_rseq_begin(entry));
}

const char * __weak arch_sched_rseq_check(const struct sched_rseq_entry *entry)
{
	return NULL;
}

/* Return what is wrong with a descriptor, or NULL. */
static const char *check_entry(struct module *mod, const struct sched_rseq_entry *entry)
{
	const struct module_memory *mem = text_at(mod, sched_rseq_begin(entry));

	if (!mem)
		return sched_rseq_check(entry, 0, 0);
	return sched_rseq_check(entry, (unsigned long)mem->base, mem->size) ?:
		arch_sched_rseq_check(entry);
}

#ifdef CONFIG_KALLSYMS
/*
 * The symbols in the text of one module, in the order of their addresses.
 *
 * kallsyms scans all symbols of a module for each address. So the cost of naming
 * all sections would be the product of both numbers. The order is kept until a
 * reader wants that of another module, because a reader comes back for more.
 * module_mutex protects it.
 */
static struct {
	const struct module	*mod;
	const Elf_Sym		*symtab;
	unsigned int		loads;
	unsigned int		nr;
	unsigned int		*order;
} symbols;

/* The number of loads. It tells apart two modules that have had the same address. */
static atomic_t nr_loads;

static void count_load(void)
{
	atomic_inc(&nr_loads);
}

/* kallsyms takes the first one of symbols with the same address, so that one comes last. */
static int cmp_symbol(const void *a, const void *b, const void *symtab)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;
	unsigned long value_x = kallsyms_symbol_value((const Elf_Sym *)symtab + x);
	unsigned long value_y = kallsyms_symbol_value((const Elf_Sym *)symtab + y);

	if (value_x != value_y)
		return value_x < value_y ? -1 : 1;
	return x > y ? -1 : 1;
}

static bool sort_symbols(const struct module *mod, const struct mod_kallsyms *kallsyms)
{
	unsigned int loads = atomic_read(&nr_loads), nr = 0;
	const Elf_Sym *symtab = kallsyms->symtab;

	if (symbols.mod == mod && symbols.symtab == symtab && symbols.loads == loads)
		return true;

	kvfree(symbols.order);
	symbols.mod = NULL;
	symbols.order = kvmalloc_array(kallsyms->num_symtab, sizeof(*symbols.order), GFP_KERNEL);
	if (!symbols.order)
		return false;
	/* Symbols start at 1. */
	for (unsigned int i = 1; i < kallsyms->num_symtab; i++) {
		const char *name = kallsyms->strtab + symtab[i].st_name;

		if (symtab[i].st_shndx == SHN_UNDEF || !*name || is_mapping_symbol(name) ||
		    !text_at(mod, kallsyms_symbol_value(symtab + i)))
			continue;
		symbols.order[nr++] = i;
	}
	sort_r_nonatomic(symbols.order, nr, sizeof(*symbols.order), cmp_symbol, NULL, symtab);
	symbols.mod = mod;
	symbols.symtab = symtab;
	symbols.loads = loads;
	symbols.nr = nr;
	return true;
}

/* Like find_kallsyms_symbol(). */
static void find_symbol_at(const struct module *mod, unsigned long addr,
			   struct sched_rseq_place *place)
{
	const struct mod_kallsyms *kallsyms;
	const struct module_memory *mem = text_at(mod, addr);
	unsigned long value, next = (unsigned long)mem->base + mem->size;
	unsigned int low = 0, high;

	place->symbol = NULL;
	kallsyms = rcu_dereference_protected(mod->kallsyms, lockdep_is_held(&module_mutex));
	if (!sort_symbols(mod, kallsyms))
		return;

	/* Find the first symbol behind @addr. */
	high = symbols.nr;
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (kallsyms_symbol_value(kallsyms->symtab + symbols.order[middle]) <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < symbols.nr)
		next = min(next, kallsyms_symbol_value(kallsyms->symtab + symbols.order[low]));
	if (!low)
		return;
	value = kallsyms_symbol_value(kallsyms->symtab + symbols.order[low - 1]);
	if (value < (unsigned long)mem->base)
		return;
	place->symbol = kallsyms->strtab + kallsyms->symtab[symbols.order[low - 1]].st_name;
	place->offset = addr - value;
	place->size = next - value;
}
#else
static void count_load(void) { }

static void find_symbol_at(const struct module *mod, unsigned long addr,
			   struct sched_rseq_place *place)
{
}
#endif

/*
 * Find the table in a module's file and check it. @table becomes the section, or
 * NULL if there is none. Returns what is wrong, or NULL.
 *
 * A table is one section, loaded, with contents, of whole and aligned descriptors.
 * scripts/sorttable.c and srseq have the same rule. Unless all symbols were
 * stripped, there is also the list of the sections that the table must describe.
 * Each has an entry there that is as large as a descriptor.
 */
static const char *find_table(const struct load_info *info, const Elf_Shdr **table)
{
	const Elf_Shdr *ops = NULL;

	*table = NULL;
	for (unsigned int i = 1; i < info->hdr->e_shnum; i++) {
		const Elf_Shdr *shdr = &info->sechdrs[i];
		const char *name = info->secstrings + shdr->sh_name;

		if (!strcmp(name, ".sched_rseq_ops"))
			ops = shdr;
		if (strcmp(name, "__sched_rseq"))
			continue;
		if (*table)
			return "there is more than one";
		*table = shdr;
	}
	if (!*table)
		return ops && ops->sh_size ? "there is none" : NULL;
	if (!((*table)->sh_flags & SHF_ALLOC))
		return "it is not loaded (SHF_ALLOC)";
	if ((*table)->sh_type == SHT_NOBITS)
		return "it has no contents";
	if ((*table)->sh_size % sizeof(struct sched_rseq_entry))
		return "its size is not a multiple of 8";
	if ((*table)->sh_addralign < __alignof__(struct sched_rseq_entry))
		return "it is not aligned to 4";
	if (ops && ops->sh_size != (*table)->sh_size)
		return "it does not describe all sections, see .sched_rseq_ops";
	return NULL;
}

/**
 * sched_rseq_module_find - Find the table of a module
 * @mod:	a module that is being loaded; its sections are in place
 * @info:	what the loader knows about its file
 *
 * Context: Task context, under no lock.
 *
 * Return: 0, with or without a table, or -ENOEXEC if the table is malformed; the
 * log says why.
 */
int sched_rseq_module_find(struct module *mod, const struct load_info *info)
{
	const Elf_Shdr *table;
	const char *why = find_table(info, &table);

	if (why) {
		pr_err("%s: the table __sched_rseq is malformed: %s\n",
		       mod->name, why);
		return -ENOEXEC;
	}
	if (table) {
		mod->sched_rseq = (void *)table->sh_addr;
		mod->num_sched_rseq = table->sh_size / sizeof(*mod->sched_rseq);
	}
	return 0;
}

/**
 * sched_rseq_module_finalize - Check and sort the descriptors of a module
 * @mod:	a module that is being loaded; its relocations are done, and none of its
 *		code has run yet
 *
 * Context: Task context, under no lock.
 *
 * Return: 0, or -ENOEXEC if a descriptor is malformed; the log says which one.
 */
int sched_rseq_module_finalize(struct module *mod)
{
	const struct sched_rseq_entry *entry = mod->sched_rseq;
	unsigned int nr = mod->num_sched_rseq;
	const char *why;

	count_load();
	for (unsigned int i = 0; i < nr; i++) {
		why = check_entry(mod, entry + i);
		if (why) {
			pr_err("%s: descriptor %u of %u of a critical section is malformed: %s\n",
			       mod->name, i + 1, nr, why);
			return -ENOEXEC;
		}
	}
	if (IS_ENABLED(CONFIG_SCHED_RSEQ_PUBLISH))
		return 0;

	if (!is_sorted(entry, nr))
		sort(mod->sched_rseq, nr, sizeof(*entry), cmp_entry, swap_entry);
	for (unsigned int i = 1; i < nr; i++) {
		unsigned long before = sched_rseq_begin(entry + i - 1);

		if (sched_rseq_begin(entry + i) - before < entry[i - 1].len) {
			pr_err("%s: critical sections overlap at %ps\n",
			       mod->name, (void *)sched_rseq_begin(entry + i));
			return -ENOEXEC;
		}
	}
	sched_rseq_filter_module(mod);
	return 0;
}

bool sched_rseq_module_table(unsigned long addr, struct sched_rseq_table *table)
{
	struct module *mod;

	guard(rcu)();
	mod = __module_text_address(addr);
	if (!mod)
		return false;
	*table = sched_rseq_table_of(mod);
	return true;
}

/**
 * sched_rseq_walk_module_sections - Do the part of sched_rseq_walk_sections() for modules
 * @from:	position of the first section of the first module
 * @pos:	as there
 * @fn:		as there
 * @data:	as there
 *
 * Context: Task context, may sleep. Takes module_mutex, as a reader of
 * /proc/modules does. So no module is loaded or unloaded meanwhile, and no long RCU
 * reader delays others.
 *
 * Return: the result of the last call of @fn.
 */
int sched_rseq_walk_module_sections(unsigned long from, unsigned long *pos,
				    sched_rseq_section_fn fn, void *data)
{
	struct module *mod;

	guard(mutex)(&module_mutex);
	list_for_each_entry(mod, &modules, list) {
		const struct sched_rseq_table table = sched_rseq_table_of(mod);
		struct sched_rseq_place place = { .owner = mod->name };

		if (mod->state == MODULE_STATE_UNFORMED)
			continue;
		for (; *pos - from < table.nr; ++*pos) {
			const struct sched_rseq_entry *entry = table.entries + (*pos - from);
			int ret;

			if (sched_rseq_was_freed(mod, entry))
				continue;
			find_symbol_at(mod, sched_rseq_begin(entry), &place);
			ret = fn(&place, entry, data);
			if (ret)
				return ret;
		}
		from += table.nr;
	}
	return 0;
}
