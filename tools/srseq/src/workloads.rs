// SPDX-License-Identifier: GPL-2.0

//! Collects how many instructions fixed work took in the guest, for each kernel, and the sizes of
//! these kernels.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{ensure, Context, Result};

use crate::cli::Sources;
use crate::report;
use crate::results::{Fields, Results};

/// The empty work, whose counts are subtracted.
const NOTHING: &str = "nothing";

/// Where the work was requested: in the kernel, or by a process.
const PLACES: [&str; 2] = ["user", "kernel"];

/// Rounds of the same work at the same place: units of each, and nanoseconds, which are
/// instructions.
type Rounds<'a> = BTreeMap<(&'a str, &'a str), (u64, Vec<u64>)>;

fn parse(log: &str) -> Result<Rounds<'_>> {
    let mut rounds = Rounds::new();
    let mut passed = Vec::new();

    for line in log.lines() {
        let Some((_, said)) = line.split_once("workloads: ") else {
            continue;
        };
        let fields = Fields::of(said);
        match said.split_whitespace().next().unwrap_or_default() {
            "FAIL" => anyhow::bail!("the guest says {}", said.trim_end()),
            "PASS" => passed.push(fields.text("place")?),
            word if word.starts_with("place=") => {
                let mut read = || -> Result<()> {
                    let (units, ns) = (fields.number("units")?, fields.number("ns")?);
                    let of = (fields.text("place")?, fields.text("work")?);
                    let (before, all) = rounds.entry(of).or_insert((units, Vec::new()));
                    ensure!(*before == units, "it was {before} units before");
                    all.push(ns);
                    Ok(())
                };
                read().with_context(|| format!("line \"{}\"", said.trim_end()))?;
            }
            _ => {}
        }
    }
    for place in PLACES {
        let verdicts = passed.iter().filter(|p| **p == place).count();
        ensure!(verdicts == 1, "{verdicts} verdicts of place={place}");
    }
    Ok(rounds)
}

/// Adds the number of instructions of a unit: the minimum of the rounds, and the difference to the
/// maximum.
fn add(results: &mut Results, kernel: &str, rounds: &Rounds) -> Result<()> {
    for ((place, work), (units, all)) in rounds {
        if *work == NOTHING {
            continue;
        }
        let nothing = rounds.get(&(*place, NOTHING));
        let (turns, nothing) = nothing.with_context(|| format!("no {NOTHING} of {place}"))?;
        let of = |all: &[u64], units: u64| {
            let least = all.iter().min().copied().unwrap_or_default();
            let most = all.iter().max().copied().unwrap_or_default();
            let units = units as f64;
            (least as f64 / units, (most - least) as f64 / units)
        };
        let (least, spread) = of(all, *units);
        let (turn, _) = of(nothing, *turns);
        // Round to a hundredth, so that a comparison sees what the page shows.
        let round = |value: f64| (value * 100.0).round() / 100.0;
        results.put(
            format!("insns/workload/{work}/{kernel}"),
            round(least - turn),
        )?;
        results.put(format!("spread/workload/{work}/{kernel}"), round(spread))?;
    }
    Ok(())
}

pub fn run(sources: &Sources) -> Result<Results> {
    let mut results = Results::default();
    let arch = results.put_kernels(sources)?;

    for (kernel, log) in &sources.runs {
        let text = fs::read_to_string(log).with_context(|| format!("cannot read {log}"))?;
        let context = || format!("{log} of the kernel {kernel}");
        add(&mut results, kernel, &parse(&text).with_context(context)?).with_context(context)?;
        results.put_reserved(kernel, &text)?;
    }
    results.write(sources, arch)?;
    if let Some(dir) = &sources.report {
        report::write_workloads(&results, dir)?;
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
[    1.0] workloads: place=user work=nothing units=1000 ns=8000\r
[    1.0] workloads: place=user work=pipe units=1000 ns=9018000\r
[    1.0] workloads: place=user work=pipe units=1000 ns=9008000\r
[    1.0] workloads: PASS place=user works=2 failed=0\r
[    2.0] sched_rseq_workloads: loading out-of-tree module taints kernel.\r
[    2.0] sched_rseq_workloads: place=kernel work=nothing units=10000 ns=20000\r
[    2.0] sched_rseq_workloads: place=kernel work=srcu units=10000 ns=360090\r
[    2.0] sched_rseq_workloads: PASS place=kernel works=2 failed=0\r
";

    fn add_log(results: &mut Results, log: &str) -> Result<()> {
        add(results, "table", &parse(log)?)
    }

    #[test]
    fn the_least_of_all_rounds() {
        let mut results = Results::default();
        add_log(&mut results, LOG).unwrap();
        let get = |key| results.get(key).unwrap();
        assert_eq!(get("insns/workload/pipe/table"), 9000.0);
        assert_eq!(get("spread/workload/pipe/table"), 10.0);
        assert_eq!(get("insns/workload/srcu/table"), 34.01);
        assert_eq!(get("spread/workload/srcu/table"), 0.0);
        assert_eq!(results.numbers.len(), 4);
    }

    #[test]
    fn what_is_no_result() {
        let error = |log: &str| format!("{:#}", add_log(&mut Results::default(), log).unwrap_err());
        let cut = LOG.split("[    2.0]").next().unwrap();
        assert_eq!(error(cut), "0 verdicts of place=kernel");
        let fail = LOG.replace(
            "PASS place=user works=2 failed=0",
            "FAIL place=user failed=1",
        );
        assert_eq!(error(&fail), "the guest says FAIL place=user failed=1");
        assert!(error(&LOG.replace("ns=9018000", "ns=9018x")).contains("ns=9018x is no number"));
        assert!(
            error(&LOG.replace("units=1000 ns=9018000", "units=10 ns=9018000"))
                .ends_with("it was 10 units before")
        );
        assert_eq!(
            error(&LOG.replace("user work=nothing", "user work=something")),
            "no nothing of user"
        );
    }

    #[test]
    fn a_second_run_that_differs() {
        let mut results = Results::default();
        add_log(&mut results, LOG).unwrap();
        add_log(&mut results, LOG).unwrap();
        let error = add_log(&mut results, &LOG.replace("ns=9008000", "ns=9007000")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "insns/workload/pipe/table is 9000 and 8999"
        );
    }
}
