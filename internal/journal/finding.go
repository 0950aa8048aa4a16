package journal

import (
	"context"
	"database/sql"
	"encoding/json"

	"sallyport/internal/event"
)

// maxEvidence is how many pieces of evidence are kept of a finding.
const maxEvidence = 20

// An acknowledged finding stays so, unless it has become more severe.
const upsertFinding = `
INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
	rule = excluded.rule, severity = excluded.severity, rank = excluded.rank, source = excluded.source, door = excluded.door,
	client = excluded.client, first = min(first, excluded.first), last = max(last, excluded.last), count = max(count, excluded.count),
	explanation = excluded.explanation, advice = excluded.advice, evidence = excluded.evidence,
	acknowledged = CASE WHEN excluded.rank > rank THEN excluded.acknowledged ELSE max(acknowledged, excluded.acknowledged) END`

// findingsShare is the part of max_size that findings may take: strangers can
// have as many raised as a day allows, for as long as they like.
const findingsShare = 4

const (
	// findingSize is about what a finding takes in the file, with its indexes.
	findingSize = "length(id) + length(rule) + length(source) + length(door) + length(client) + length(explanation) + length(advice) + length(evidence) + 120"

	// findingsGivenUp is the order in which findings make room: what is low and
	// nobody has looked at, what someone has seen to, and then what is worse.
	findingsGivenUp = "CASE WHEN acknowledged THEN 1 WHEN rank <= 1 THEN 0 ELSE rank END, last, id"
)

// shrinkFindings deletes findings until what is left takes nine tenths of size.
func (f *file) shrinkFindings(ctx context.Context, size int64) error {
	for first := true; ; first = false {
		var count, used int64
		if err := f.db.QueryRowContext(ctx, "SELECT count(*), coalesce(sum("+findingSize+"), 0) FROM findings").Scan(&count, &used); err != nil {
			return err
		}
		if count == 0 || first && used <= size || used <= size/10*9 {
			return nil
		}
		n := min(max((used-size/10*9)*count/used, 1), pruneChunk)
		if _, err := f.db.ExecContext(ctx, "DELETE FROM findings WHERE id IN (SELECT id FROM findings ORDER BY "+findingsGivenUp+" LIMIT ?)", n); err != nil {
			return err
		}
	}
}

func putFinding(ctx context.Context, tx *sql.Tx, f event.Finding) error {
	evidence := make([]string, 0, len(f.Evidence))
	for _, e := range f.Evidence[:min(len(f.Evidence), maxEvidence)] {
		evidence = append(evidence, cut(e, maxDetail))
	}
	encoded, err := json.Marshal(evidence)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, upsertFinding, cut(f.ID, maxWord), cut(f.Rule, maxWord), cut(string(f.Severity), maxWord),
		f.Severity.Rank(), sourceBytes(f.Source), cut(f.Door, maxWord), cut(f.Client, maxWord),
		micros(f.First), micros(f.Last), int64(min(f.Count, 1<<62)),
		cut(f.Explanation, maxDetail), cut(f.Advice, maxDetail), string(encoded), f.Acknowledged)
	return err
}
