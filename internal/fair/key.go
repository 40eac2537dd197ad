package fair

import "context"

type keyOf struct{}

// With returns a context for work on behalf of the key.
func With(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyOf{}, key)
}

// Key returns the key on whose behalf the work is done; empty if there is none.
func Key(ctx context.Context) string {
	key, _ := ctx.Value(keyOf{}).(string)
	return key
}
