/* Gates that share one address and key, of Sallyport (docs/FLEET.md): what becomes of one message of one client of the
   fleet, in Promela, for spin. Two gates, etcd, an operator who revokes the client, and a network that keeps, repeats and
   holds back what it likes. Gates end and start again at any moment, with what is on their disks; etcd is restored from
   a snapshot that knows nothing of all this. A link that is cut is communication that does not happen, for as long as
   it likes.

   Time passes in ticks, without end. A tick is over when every gate that runs has done what is due: it is the second
   that is added to without_fleet. Times are kept as ticks that are left, or have passed.

     spin -a fleet.pml && cc -O2 -DSAFETY -DNOFAIR -DCOLLAPSE -o pan pan.c && ./pan -m100000

   Asserted are:
     once     no message opens twice: it is accepted once, as often as it arrives, at whichever gate
     bound    a client that etcd has had as revoked for WITHOUT ticks has no grant at a gate that runs
     timely   no door is open longer than LONGEST from the acceptance, at any gate that hears of the grant

   Each of these words, defined (spin -DOPEN_FIRST), takes one rule of the gates away. Its property is violated then:
     once     OPEN_FIRST      a gate notes that it has seen the message after it has opened, not before
     once     ASK_NOBODY      a gate asks its own notes alone, and not etcd
     once     ANY_ANSWER      the answer of a restored etcd counts like any other
     once     ANY_STAMP       an etcd that was restored is asked about messages from before
     bound    HEARD_IS_FRESH  what is heard is as fresh as if it had been asked for now
     bound    FRESH_AT_START  a gate that starts takes what it knows for fresh
     bound    TRUST_RESTORED  an etcd that went backwards makes a gate fresh
     bound    FORGET_REVOKED  a revocation ends what there is, and is not kept
     timely   WHOLE_TIME      a gate that hears of a grant opens for the door's whole time
     timely   AGAIN_AT_START  a gate that starts opens what it had open for the whole time
   With REACHED the claim is that no client is let in at both gates and then thrown out by a revocation, which is false. */

#define LONGEST 2     /* for how long the door opens */
#define WITHOUT 1     /* without_fleet: shorter than LONGEST, or it would have nothing to end */
#define WINDOW  1     /* how old the stamp of a message may be, and how far in the future */
#define NOBODY  7
#ifndef FAULTS
#define FAULTS  1     /* how often gates end and etcd is restored */
#endif

typedef Gate {
	bool up = true;
	unsigned open : 2;    /* the kernel's table: ticks left */
	/* on its disk: */
	bool seen;            /* it has seen the message */
	bool revoked;         /* the client is */
	unsigned file : 2;    /* ticks left of the grant that it holds */
	unsigned age : 1;     /* ticks since what it knows was asked for */
	bool restored;        /* it knows of the restored etcd */
	unsigned suspect : 3; /* for how long messages that come may be from before */
	bool before;          /* the message may be */
	/* in its memory: */
	bool life;            /* which one since its disk was new */
	bool asking;          /* about the message */
	bool yes;             /* the answer, under way to it: a no is as good as none */
	bool yesRestored;     /* and which etcd gave it */
	/* and what its watch has said, under way to it: */
	bool said, saidRestored, saidRevoked;
	unsigned saidAge : 1;
	unsigned saidGrant : 2
}
Gate gate[2];

/* In etcd: */
bool restored;            /* since then its identity is another */
bool hasRevoked;          /* the entry that removes the client */
unsigned taken : 3 = NOBODY; /* who has accepted the message: gate and life */
unsigned grant : 2;       /* for both gates: ticks left */

bool sent;
unsigned faults : 2;
unsigned valid : 3;       /* ticks for which the message is */
bool accepted;
unsigned due : 2;         /* ticks until both doors must be closed */
bool revoked;             /* etcd has said that the client is */
unsigned since : 1;       /* and that many ticks have passed */
#ifdef REACHED
bool both;
#endif
hidden byte ticks;

#define fleetless(i) (gate[i].age == WITHOUT)
#define overdue(i)   (gate[i].up && gate[i].open && (fleetless(i) || gate[i].revoked))
#ifdef TRUST_RESTORED
#define TRUSTED(i)   true
#else
#define TRUSTED(i)   !gate[i].restored   /* until an operator has signed again, which is not in the model */
#endif
#ifdef ANY_STAMP
#define before(i)    false
#else
#define before(i)    gate[i].before
#endif
#define refused(i)   (valid == 0 || gate[i].revoked || fleetless(i) || before(i))
#define self(i)      (gate[i].life * 2 + i)
#define less(a, b)   (a < b -> a : b)

/* First the file, then the kernel: what is here at once may be cut in two by the end of the gate, see below. */
inline opens(i, t) {
	gate[i].file = t;
	gate[i].open = t;
	assert(gate[i].open <= due)                             /* timely */
}
/* A gate refuses what was stamped before it met a restored etcd, plus the window: t is for how long such messages would be
   valid. The message's time and this one pass alike, so comparing them once will do. */
inline stamped(i, t) {
	if
	:: sent  -> gate[i].before = valid < t; gate[i].suspect = 0
	:: !sent -> gate[i].suspect = t
	fi
}
/* An etcd that has been restored: what is stamped until now may have been recorded in what is lost. */
inline meets(i) {
	gate[i].restored = true;
	stamped(i, 2 * WINDOW + 2)
}
inline hangsUp(i) {
	gate[i].said = false; gate[i].saidRestored = false; gate[i].saidRevoked = false;
	gate[i].saidAge = 0; gate[i].saidGrant = 0
}
inline hears(i) {
	if
	:: gate[i].saidRestored && !gate[i].restored -> meets(i)
	:: else
	fi;
	if
	:: gate[i].saidRestored == gate[i].restored ->          /* else it comes from the etcd that is no more */
		if
		:: gate[i].saidRevoked ->
#ifdef FORGET_REVOKED
			gate[i].file = 0; gate[i].open = 0
#else
			gate[i].revoked = true
#endif
		:: else
		fi;
		if
		:: TRUSTED(i) ->
#ifdef HEARD_IS_FRESH
			gate[i].age = 0
#else
			gate[i].age = less(gate[i].saidAge, gate[i].age)
#endif
		:: else
		fi;
		if
		:: gate[i].saidGrant && !gate[i].open && !gate[i].revoked && !fleetless(i) ->
#ifdef WHOLE_TIME
			ticks = LONGEST;
#else
			ticks = less(gate[i].saidGrant, LONGEST);
#endif
			opens(i, ticks)
		:: else
		fi
	:: else
	fi
}

proctype gateway(byte i) {
end:	do
	/* The message arrives, for the first time or again, and is noted before anybody is asked. */
	:: d_step { gate[i].up && !gate[i].asking && sent && !gate[i].seen && !refused(i) ->
		gate[i].asking = true;
#ifndef OPEN_FIRST
		gate[i].seen = true;
#endif
#ifdef ASK_NOBODY
		gate[i].yes = true; gate[i].yesRestored = gate[i].restored
#endif
	}
	/* etcd takes it, unless another has it: one's own is a success. The answer may be lost, and the question repeated. */
	:: d_step { gate[i].asking && !gate[i].yes && (taken == NOBODY || taken == self(i)) ->
		taken = self(i);
		gate[i].yes = true; gate[i].yesRestored = restored }
	:: d_step { gate[i].yes -> gate[i].yes = false; gate[i].yesRestored = false }
	/* The answer is weighed by what the gate knows now. */
	:: d_step { gate[i].yes ->
#ifndef ANY_ANSWER
		if
		:: gate[i].yesRestored && !gate[i].restored -> meets(i)
		:: else
		fi;
#endif
		if
		:: !refused(i) ->
			assert(!accepted);                              /* once */
			accepted = true;
			due = LONGEST;
			opens(i, LONGEST)
		:: else
		fi;
		gate[i].asking = false; gate[i].yes = false; gate[i].yesRestored = false }
#ifdef OPEN_FIRST
	:: d_step { gate[i].up && gate[i].file && !gate[i].seen -> gate[i].seen = true }
#endif
	/* It waits no longer. */
	:: d_step { gate[i].asking -> gate[i].asking = false; gate[i].yes = false; gate[i].yesRestored = false }

	/* Its grant becomes that of both: etcd compares the revocations that it has with those that the gate knows. */
	:: d_step { gate[i].up && gate[i].open && !grant && gate[i].revoked == hasRevoked -> grant = gate[i].file }
	/* A revocation that is known here and not there is put there again. */
	:: d_step { gate[i].up && gate[i].revoked && !hasRevoked -> hasRevoked = true }

	/* The watch is asked, and says; then anything may pass until it is heard, and it may never be. */
	:: d_step { gate[i].up && !gate[i].said ->
		gate[i].said = true; gate[i].saidRestored = restored; gate[i].saidRevoked = hasRevoked;
		gate[i].saidGrant = grant }
	:: d_step { gate[i].said -> hangsUp(i) }
	:: d_step { gate[i].said -> hears(i); hangsUp(i) }

	/* What is overdue ends. */
	:: d_step { overdue(i) -> gate[i].file = 0; gate[i].open = 0 }

	/* The gate ends, between any two steps, perhaps with its file written and its kernel not asked yet, or
	   with the whole machine; and starts. */
	:: d_step { gate[i].up && faults < FAULTS ->
		faults++;
		gate[i].up = false; gate[i].asking = false; gate[i].yes = false; gate[i].yesRestored = false;
		hangsUp(i) }
	:: d_step { !gate[i].up && gate[i].open -> gate[i].open = 0 }
	:: d_step { !gate[i].up ->
		gate[i].up = true; gate[i].life = true;
#ifdef FRESH_AT_START
		gate[i].age = 0;
#endif
#ifdef AGAIN_AT_START
		gate[i].open = (gate[i].file -> LONGEST : 0);
		assert(gate[i].open <= due);                            /* timely */
#else
		gate[i].open = less(gate[i].file, gate[i].open);
#endif
		gate[i].file = gate[i].open }
	od
}

inline sends(t) {
	sent = true;
	valid = t;
	stamped(0, gate[0].suspect);
	stamped(1, gate[1].suspect)
}

/* The client, the operator, and who looks after etcd. */
proctype people() {
end:	do
	:: d_step { !sent -> sends(WINDOW + 1) }
	:: d_step { !sent -> sends(2 * WINDOW + 1) }            /* its clock is as fast as it may be */
	:: d_step { !revoked -> revoked = true; hasRevoked = true }
	:: d_step { !restored && faults < FAULTS ->
		faults++;
		restored = true; hasRevoked = false; taken = NOBODY; grant = 0 }
	od
}

inline passes(counter) {
	if
	:: counter -> counter--
	:: else
	fi
}
inline elapses(i) {
	assert(!(gate[i].up && gate[i].open && revoked && since == WITHOUT));   /* bound */
	passes(gate[i].open);                                   /* the kernel closes by itself */
	passes(gate[i].file);
	passes(gate[i].suspect);
	passes(gate[i].saidGrant);
	gate[i].age = less(gate[i].age + 1, WITHOUT);
	if
	:: gate[i].said -> gate[i].saidAge = less(gate[i].saidAge + 1, WITHOUT)
	:: else
	fi
}
proctype clock() {
end:	do
	:: d_step { !overdue(0) && !overdue(1) ->
		elapses(0);
		elapses(1);
		if
		:: valid == 1 -> taken = NOBODY; gate[0].seen = false; gate[1].seen = false; gate[0].before = false; gate[1].before = false /* nobody keeps what is refused by its stamp */
		:: else
		fi;
		passes(valid);
		passes(due);
		passes(grant);
		if
		:: revoked -> since = less(since + 1, WITHOUT)
		:: else
		fi;
		assert(gate[0].open <= due && gate[1].open <= due) }  /* timely */
	od
}

init {
	atomic { run gateway(0); run gateway(1); run people(); run clock() }
#ifdef REACHED
	d_step { gate[0].open && gate[1].open -> both = true }
	d_step { both && gate[0].revoked && !gate[0].open && due -> assert(false) }
#endif
}
