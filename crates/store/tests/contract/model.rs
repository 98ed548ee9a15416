//! Random operations on a store beside a tiny model of what it should hold.
