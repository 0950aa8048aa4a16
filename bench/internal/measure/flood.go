package measure

import (
	"context"
	"sallyport/bench/peers"
)

func Flood(ctx context.Context, systems []peers.System, o Options) (section Section, err error) {return}
func Growth(ctx context.Context, systems []peers.System, o Options) (section Section, err error) {return}
