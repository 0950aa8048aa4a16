package measure
import (
	"context"
	"sallyport/bench/peers"
)
func Growth(ctx context.Context, systems []peers.System, o Options) (section Section, err error) {return}
