package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // for image.DecodeConfig; pkg/picture imports the other formats
	"image/png"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/residual-go/residual/pkg/classmap"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/predict"
)

// prediction is the response to POST /predict.
type prediction struct {
	Guesses []predict.Guess `json:"guesses"`
	// CAM is the image overlaid with the class activation map of the first guess, as a data URL.
	CAM string `json:"cam,omitempty"`
	// FirstOfFrames reports that the image has several frames or pages; the guesses are for the first.
	FirstOfFrames bool `json:"first_of_frames,omitempty"`
	// Milliseconds is the time from the arrival of the image to the response.
	Milliseconds float64 `json:"milliseconds"`
}

// problem is an error with its HTTP status.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func (s *Server) predict(w http.ResponseWriter, r *http.Request) {
	sent := r.Body // predicted may replace it
	answer, err := s.predicted(w, r)
	if w.Header().Get("Connection") == "close" {
		defer s.drain(w, r, sent)
	}
	var p *problem
	switch {
	case err == nil:
		reply(w, http.StatusOK, answer)
	case errors.As(err, &p):
		if p.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		}
		refuse(w, p.status, p.text)
	case r.Context().Err() != nil: // the client is gone
	case errors.Is(err, errClosed):
		refuse(w, http.StatusServiceUnavailable, err.Error())
	default:
		refuse(w, http.StatusInternalServerError, err.Error())
	}
}

// drain reads on after a refusal, for a client that writes its whole image before it reads: if the
// connection were closed on it, it would see a reset in place of the answer. The answer is sent
// first; a client that reads it closes the connection, and one that does not send costs only
// moments.
func (s *Server) drain(w http.ResponseWriter, r *http.Request, sent io.Reader) {
	connection := http.NewResponseController(w)
	if r.Header.Get("Expect") != "" || r.ContentLength == 0 || connection.Flush() != nil {
		return // the client reads first, or there is nothing to read
	}
	if connection.SetReadDeadline(time.Time{}) != nil {
		return // this is not a connection
	}
	select {
	case s.draining <- struct{}{}:
		defer func() { <-s.draining }()
	default:
		return
	}
	rest := newArrival(w, r, s.limits.Arrival/2)
	rest.body, rest.window = sent, s.limits.Arrival/30
	_, _ = io.CopyN(io.Discard, rest, 4*s.limits.Image.Bytes)
}

func (s *Server) predicted(w http.ResponseWriter, r *http.Request) (*prediction, error) {
	top, cam, err := options(r, len(s.model.Classes))
	image := newArrival(w, r, s.limits.Arrival)
	if err == nil {
		err = s.admit(image)
	}
	if err != nil {
		// Without this, net/http would first read the whole body, however slow the client.
		w.Header().Set("Connection", "close")
		return nil, err
	}
	defer s.admission.leave(image)

	r.Body = io.NopCloser(image)
	content, err := body(r)
	s.admission.arrived(image)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &problem{http.StatusRequestTimeout, "the image took too long to arrive; send it again"}
	case errors.Is(err, errMadeRoom):
		w.Header().Set("Connection", "close")
		return nil, &problem{http.StatusServiceUnavailable, err.Error() + "; send it again"}
	case err != nil:
		return nil, &problem{http.StatusBadRequest, "the image did not arrive: " + err.Error()}
	}
	image.done()
	arrived := time.Now()
	sent, err := s.decode(r.Context(), content, cam)
	if err != nil {
		return nil, err
	}
	found, err := s.queue.ask(r.Context(), sent.pixels)
	if err != nil {
		return nil, err
	}
	if n := found.Classes(); n != len(s.model.Classes) {
		return nil, fmt.Errorf("the server has %d class names for a network of %d classes", len(s.model.Classes), n)
	}
	answer := &prediction{Guesses: predict.Guesses(found.Explanation, found.image, top, s.model.Classes), FirstOfFrames: sent.more}
	if cam {
		values := found.ClassMap(found.image, answer.Guesses[0].Index)
		if answer.CAM, err = s.draw(r.Context(), sent.view, values, found.Height, found.Width); err != nil {
			return nil, err
		}
	}
	answer.Milliseconds = float64(time.Since(arrived).Microseconds()) / 1000
	return answer, nil
}

// admit lets a request in by the size and the client of its image, or says why not.
func (s *Server) admit(image *arrival) error {
	switch size := image.size; {
	case size < 0:
		return &problem{http.StatusLengthRequired, "the request has no Content-Length; send one"}
	case size > s.limits.Image.Bytes:
		return &problem{http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the image is larger than %d MiB; send a smaller one", s.limits.Image.Bytes>>20)}
	case !s.admission.enter(image):
		return &problem{http.StatusServiceUnavailable, "too many images at a time; send this one again in a second"}
	}
	return nil
}

// options parses the query.
func options(r *http.Request, classes int) (top int, cam bool, err error) {
	top = 5
	if text := r.URL.Query().Get("top"); text != "" {
		if top, err = strconv.Atoi(text); err != nil || top < 1 {
			return 0, false, &problem{http.StatusBadRequest, fmt.Sprintf("top=%q; want a number of guesses from 1 to %d", text, classes)}
		}
	}
	if text := r.URL.Query().Get("cam"); text != "" {
		if cam, err = strconv.ParseBool(text); err != nil {
			return 0, false, &problem{http.StatusBadRequest, fmt.Sprintf("cam=%q; want 1 for a class activation map, or 0", text)}
		}
	}
	return top, cam, nil
}

// body returns the bytes of the image: the whole body, or the first file of a form. Their
// number is bounded by the Content-Length.
func body(r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "multipart/form-data" {
		return io.ReadAll(r.Body)
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return nil, errors.New("there is no file in the form")
		}
		if err != nil {
			return nil, err
		}
		if part.FileName() != "" {
			return io.ReadAll(part)
		}
	}
}

// decoded is an image that was sent.
type decoded struct {
	pixels []byte         // the network's input
	view   *classmap.View // to draw on; nil if not requested
	more   bool           // whether there are more frames or pages
}

// decode decodes an image, and makes a view of it if view is set.
func (s *Server) decode(ctx context.Context, content []byte, view bool) (*decoded, error) {
	// Large images queue here first, so that one that waits does not occupy a decoder.
	if config, _, err := image.DecodeConfig(bytes.NewReader(content)); err == nil && config.Width*config.Height >= s.limits.Large {
		done, err := take(ctx, s.large)
		if err != nil {
			return nil, err
		}
		defer done()
	}
	done, err := take(ctx, s.decoders)
	if err != nil {
		return nil, err
	}
	defer done()
	if len(content) == 0 {
		return nil, &problem{http.StatusBadRequest, "nothing was sent; the body of the request must be an image"}
	}
	photo, more, err := picture.DecodeFrame(bytes.NewReader(content), s.limits.Image)
	if err != nil {
		return nil, &problem{s.undecodable(content, err), "what was sent " + err.Error()}
	}
	image := &decoded{pixels: s.model.Transform.Apply(photo), more: more}
	if view {
		image.view = classmap.NewView(photo, s.model.Transform)
	}
	return image, nil
}

// undecodable returns the status for content that could not be decoded, depending on whether it
// is too large, damaged or no image of a known format.
func (s *Server) undecodable(content []byte, err error) int {
	if _, ok := errors.AsType[*picture.FormatError](err); ok {
		return http.StatusUnsupportedMediaType
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(content))
	if err == nil && config.Width > s.limits.Image.Pixels/max(1, config.Height) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// draw returns the view overlaid with a class activation map, [height, width], as a data URL.
func (s *Server) draw(ctx context.Context, view *classmap.View, values []float64, height, width int) (string, error) {
	done, err := take(ctx, s.decoders)
	if err != nil {
		return "", err
	}
	defer done()
	var encoded bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&encoded, view.Draw(values, height, width)); err != nil {
		return "", fmt.Errorf("encode the class activation map: %w", err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(encoded.Bytes()), nil
}

// take waits for room in a semaphore; done gives it back.
func take(ctx context.Context, room chan struct{}) (done func(), err error) {
	select {
	case room <- struct{}{}:
		return func() { <-room }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
