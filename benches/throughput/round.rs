//! One round: the same records through each program, one after another.

use crate::brokers::Brokers;
use crate::options::Options;
use crate::program::{Figures, Program};
use crate::router::{self, Router};
use crate::{Outcome, data, passing};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Instant;

pub struct Round<'a> {
    pub options: &'a Options,
    pub brokers: &'a Brokers,
    pub redis_url: &'a str,
    pub prefix: &'a str,
}

pub struct Measured {
    pub plain: Figures,
    pub transactional: Figures,
    pub router: Figures,
    /// Commands of the CRM per second, when the contacts and chatrooms were made.
    pub commands_per_second: f64,
    /// What the router says of itself once all was routed.
    pub said: BTreeMap<String, f64>,
}

impl Round<'_> {
    pub fn measure(&self) -> Outcome<Measured> {
        let router = self.router();
        let (commands_per_second, input) = self.fill(&router)?;
        let plain = self.measure_passing(passing::PLAIN, &input)?;
        let transactional = self.measure_passing(passing::TRANSACTIONAL, &input)?;
        let (router, said) = self.measure_router(&router, &input)?;
        Ok(Measured {
            plain,
            transactional,
            router,
            commands_per_second,
            said,
        })
    }

    /// The router alone.
    pub fn measure_alone(&self) -> Outcome<Figures> {
        let router = self.router();
        let (_, input) = self.fill(&router)?;
        Ok(self.measure_router(&router, &input)?.0)
    }

    /// The topics, the contacts and the messages: commands of the CRM per second, and the topic of the messages.
    fn fill(&self, router: &Router<'_>) -> Outcome<(f64, String)> {
        let old = ["inbound-messages", "crm-changes"].map(|name| router.topic(name));
        self.brokers.create_lasting_topics(&old, self.options.partitions)?;
        router.make_topics()?;
        let commands_per_second = self.load_contacts(router)?;
        self.say("producing the messages");
        let [input, _] = old;
        let written_at = |number| self.options.written_at(number);
        self.brokers
            .produce_at(&input, &written_at, data::messages(self.options))?;
        Ok((commands_per_second, input))
    }

    /// What can't be removed is said and left: the figures are worth more.
    pub fn clean_up(&self) {
        let removed = self.brokers.remove(self.prefix).and_then(|()| self.remove_index());
        if let Err(error) = removed {
            eprintln!("throughput: {}* is left behind: {error}", self.prefix);
        }
    }

    fn say(&self, what: &str) {
        println!("  {what}");
    }

    fn router(&self) -> Router<'_> {
        Router {
            brokers: &self.brokers.addresses,
            redis_url: self.redis_url,
            prefix: self.prefix,
            options: self.options,
        }
    }

    /// Through the front door: the settings, then a contact and a chatroom for each known customer.
    fn load_contacts(&self, router: &Router<'_>) -> Outcome<f64> {
        self.say("loading the contacts");
        let settings = router.topic("org-settings");
        let loaded_at = |_| self.options.loaded_at();
        let orgs = self
            .brokers
            .produce_at(&settings, &loaded_at, data::settings(self.options))?;
        let (mut program, port) = router.start()?;
        let until = Instant::now() + self.options.phase;
        // It answers no scrape before it has started.
        let answered = || Ok(router::figures(port).map_or(0, |said| router::sum(&said, "commands_total") as u64));
        program.wait(until, &answered, orgs)?;
        let commands = router.topic("crm-changes");
        let contacts = data::crm_changes(self.options);
        let count = self.brokers.produce_at(&commands, &loaded_at, contacts)?;
        let began = Instant::now();
        program.wait(until, &answered, orgs + count)?;
        let took = began.elapsed();
        program.leave()?;
        Ok(count as f64 / took.as_secs_f64())
    }

    fn measure_passing(&self, which: &str, input: &str) -> Outcome<Figures> {
        self.say(which);
        let name = format!("{}{which}", self.prefix);
        self.brokers
            .create_topics(std::slice::from_ref(&name), self.options.partitions)?;
        let watch = if which == passing::PLAIN {
            self.brokers.watch(&name, &name, self.options.partitions)?
        } else {
            self.brokers.watch(&name, input, self.options.partitions)?
        };
        let done = || {
            if which == passing::PLAIN {
                watch.ends()
            } else {
                watch.committed()
            }
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.args([passing::WORD, which, &self.brokers.addresses, &name, input, &name]);
        Program::start(which, &mut command)?.measure(self.options.records, self.options.phase, &done)
    }

    fn measure_router(&self, router: &Router<'_>, input: &str) -> Outcome<(Figures, BTreeMap<String, f64>)> {
        self.say("the router");
        let (program, port) = router.start()?;
        let watch = self.brokers.watch(&router.group(), input, self.options.partitions)?;
        let said = std::cell::RefCell::default();
        let done = || {
            let committed = watch.committed()?;
            if committed < self.options.records {
                return Ok(committed);
            }
            said.replace(router::figures(port)?);
            Ok(router::sum(&said.borrow(), "decisions_total") as u64)
        };
        let figures = program.measure(self.options.records, self.options.phase, &done)?;
        Ok((figures, said.into_inner()))
    }

    fn remove_index(&self) -> Outcome<()> {
        let mut redis = redis::Client::open(self.redis_url)?.get_connection()?;
        let pattern = format!("{{{}*", self.prefix);
        let keys: Vec<String> = redis::cmd("SCAN")
            .cursor_arg(0)
            .arg("MATCH")
            .arg(pattern)
            .arg("COUNT")
            .arg(1_000)
            .clone()
            .iter(&mut redis)?
            .collect::<Result<_, _>>()?;
        for some in keys.chunks(1_000) {
            redis::cmd("UNLINK").arg(some).exec(&mut redis)?;
        }
        Ok(())
    }
}
