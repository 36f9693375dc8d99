"""What firmware files say about the board they are for, before anybody has written one down: `vectors`, `constants` and
`attributes` read bytes, `evidence` joins them, `candidate` holds chips against them, `tryout` lets code run, `layout`
finds slots and where an update may wait, `draft` is the board file, `rehearsal` boots it, `survey` does all of it."""
