//! Families of series whose labels are closed lists: each series is looked up at most once, then kept by its place.

use prometheus::core::Collector;
use prometheus::{
    Error, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};
use std::marker::PhantomData;
use std::sync::OnceLock;

/// A label with a closed list of values.
pub trait Label: Copy + 'static {
    /// All of them, each at its own [`Label::place`].
    const ALL: &'static [Self];
    /// As it stands in the figure.
    fn name(self) -> &'static str;
    fn place(self) -> usize;
}

/// Makes a label of an enum without fields: each variant with its name, in the order of the declaration.
macro_rules! label {
    ($type:ty { $($variant:ident = $name:expr),+ $(,)? }) => {
        impl $crate::telemetry::metrics::Label for $type {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}

/// The same for an enum that has words in the contracts.
macro_rules! word_label {
    ($type:ident [$($variant:ident),+ $(,)?]) => {
        impl $crate::telemetry::metrics::Label for $type {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn name(self) -> &'static str {
                $crate::contract::words::Word::word(self)
            }

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}
pub(crate) use {label, word_label};

/// Makes figures and registers them, under the program's prefix.
pub struct Maker<'a> {
    registry: &'a Registry,
}

/// Histograms of time: from a call to Redis to a record that waited out a rebalance.
pub const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

impl<'a> Maker<'a> {
    pub fn new(registry: &'a Registry) -> Self {
        Self { registry }
    }

    fn registered<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, Error> {
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.registered(IntCounter::with_opts(opts(name, help))?)
    }

    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.registered(IntGauge::with_opts(opts(name, help))?)
    }

    pub fn seconds_gauge(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.registered(Gauge::with_opts(opts(name, help))?)
    }

    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.registered(IntGaugeVec::new(opts(name, help), labels)?)
    }

    pub fn seconds_gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.registered(GaugeVec::new(opts(name, help), labels)?)
    }

    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        self.registered(Histogram::with_opts(histogram_opts(name, help, buckets))?)
    }

    fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.registered(IntCounterVec::new(opts(name, help), labels)?)
    }

    fn histogram_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, Error> {
        self.registered(HistogramVec::new(histogram_opts(name, help, SECONDS), labels)?)
    }

    /// All series are there from the start, at zero: the first count of one is an increase.
    pub fn counters<A: Label>(&self, name: &str, help: &str, label: &str) -> Result<Counters<A>, Error> {
        let family = self.counter_vec(name, help, &[label])?;
        let series = A::ALL.iter().map(|a| family.with_label_values(&[a.name()])).collect();
        let labels = PhantomData;
        Ok(Counters { series, labels })
    }

    pub fn counters2<A: Label, B: Label>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; 2],
    ) -> Result<Counters2<A, B>, Error> {
        let family = self.counter_vec(name, help, &labels)?;
        let series = empty(A::ALL.len() * B::ALL.len());
        let labels = PhantomData;
        Ok(Counters2 { family, series, labels })
    }

    pub fn counters3<A: Label, B: Label, C: Label>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; 3],
    ) -> Result<Counters3<A, B, C>, Error> {
        let family = self.counter_vec(name, help, &labels)?;
        let series = empty(A::ALL.len() * B::ALL.len() * C::ALL.len());
        let labels = PhantomData;
        Ok(Counters3 { family, series, labels })
    }

    pub fn histograms<A: Label>(&self, name: &str, help: &str, label: &str) -> Result<Histograms<A>, Error> {
        let family = self.histogram_vec(name, help, &[label])?;
        let series = A::ALL.iter().map(|a| family.with_label_values(&[a.name()])).collect();
        let labels = PhantomData;
        Ok(Histograms { series, labels })
    }

    pub fn histograms2<A: Label, B: Label>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; 2],
    ) -> Result<Histograms2<A, B>, Error> {
        let family = self.histogram_vec(name, help, &labels)?;
        let series = empty(A::ALL.len() * B::ALL.len());
        let labels = PhantomData;
        Ok(Histograms2 { family, series, labels })
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("chatroom_router")
}

fn histogram_opts(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, help)
        .namespace("chatroom_router")
        .buckets(buckets.to_vec())
}

fn empty<T>(count: usize) -> Vec<OnceLock<T>> {
    (0..count).map(|_| OnceLock::new()).collect()
}

/// Counters by one label.
pub struct Counters<A> {
    series: Vec<IntCounter>,
    labels: PhantomData<fn(A)>,
}

impl<A: Label> Counters<A> {
    pub fn of(&self, a: A) -> &IntCounter {
        &self.series[a.place()]
    }
}

/// Counters by two labels. A series is there from its first use on.
pub struct Counters2<A, B> {
    family: IntCounterVec,
    series: Vec<OnceLock<IntCounter>>,
    labels: PhantomData<fn(A, B)>,
}

impl<A: Label, B: Label> Counters2<A, B> {
    pub fn of(&self, a: A, b: B) -> &IntCounter {
        let place = a.place() * B::ALL.len() + b.place();
        self.series[place].get_or_init(|| self.family.with_label_values(&[a.name(), b.name()]))
    }
}

/// Counters by three labels. A series is there from its first use on.
pub struct Counters3<A, B, C> {
    family: IntCounterVec,
    series: Vec<OnceLock<IntCounter>>,
    labels: PhantomData<fn(A, B, C)>,
}

impl<A: Label, B: Label, C: Label> Counters3<A, B, C> {
    pub fn of(&self, a: A, b: B, c: C) -> &IntCounter {
        let place = (a.place() * B::ALL.len() + b.place()) * C::ALL.len() + c.place();
        self.series[place].get_or_init(|| self.family.with_label_values(&[a.name(), b.name(), c.name()]))
    }
}

/// Histograms of seconds by one label.
pub struct Histograms<A> {
    series: Vec<Histogram>,
    labels: PhantomData<fn(A)>,
}

impl<A: Label> Histograms<A> {
    pub fn of(&self, a: A) -> &Histogram {
        &self.series[a.place()]
    }
}

/// Histograms of seconds by two labels. A series is there from its first use on.
pub struct Histograms2<A, B> {
    family: HistogramVec,
    series: Vec<OnceLock<Histogram>>,
    labels: PhantomData<fn(A, B)>,
}

impl<A: Label, B: Label> Histograms2<A, B> {
    pub fn of(&self, a: A, b: B) -> &Histogram {
        let place = a.place() * B::ALL.len() + b.place();
        self.series[place].get_or_init(|| self.family.with_label_values(&[a.name(), b.name()]))
    }
}
