//! Candidates to the verdict of the lowest id that holds.
