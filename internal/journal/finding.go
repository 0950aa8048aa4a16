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
